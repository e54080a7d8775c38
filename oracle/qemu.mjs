// Describes a machine of machines.json to QEMU.

/** What a node on another socket adds to a latency, and leaves of a bandwidth. */
const FAR_NS = 60;
const FAR_SHARE = 0.8;

export function qemuArgs(machine) {
  const hasHmat = machine.hmat !== false;
  const args = [
    ...['-M', `pc,hmat=${hasHmat ? 'on' : 'off'}`],
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off'],
    ...['-smp', `${machine.smp},sockets=${machine.smp},cores=1,threads=1`],
    ...['-m', memorySize(machine)],
  ];
  for (const node of machine.nodes) args.push(...nodeArgs(node, hasHmat));
  for (const { id, cpus = [] } of machine.nodes) {
    for (const cpu of cpus) {
      args.push('-numa', `cpu,node-id=${id},socket-id=${cpu},core-id=0,thread-id=0`);
    }
  }
  args.push(...distanceArgs(machine.dist ?? []));
  if (hasHmat) args.push(...hmatArgs(machine.nodes));
  for (const [at, dimm] of (machine.dimms ?? []).entries()) {
    args.push('-object', `memory-backend-ram,id=d${at},size=${dimm.mb}M`);
    args.push('-device', `pc-dimm,memdev=d${at},node=${dimm.node}`);
  }
  return args;
}

function memorySize({ nodes, dimms = [] }) {
  const total = nodes.reduce((sum, { mb }) => sum + mb, 0);
  if (dimms.length === 0) return `${total}M`;
  return `${total}M,slots=${dimms.length + 1},maxmem=${total + 1024}M`;
}

function nodeArgs({ id, mb, initiator = id }, hasHmat) {
  const args = mb ? ['-object', `memory-backend-ram,id=m${id},size=${mb}M`] : [];
  const memory = mb ? `,memdev=m${id}` : '';
  args.push('-numa', `node,nodeid=${id}${memory}${hasHmat ? `,initiator=${initiator}` : ''}`);
  return args;
}

function distanceArgs(rows) {
  return rows.flatMap((row, src) =>
    row.flatMap((val, dst) =>
      src === dst ? [] : ['-numa', `dist,src=${src},dst=${dst},val=${val}`],
    ),
  );
}

function hmatArgs(nodes) {
  const args = [];
  for (const initiator of nodes.filter(({ cpus }) => cpus)) {
    for (const target of nodes) {
      const home = target.cpus ? target.id : (target.initiator ?? target.id);
      const isFar = home !== initiator.id;
      const pair = `hmat-lb,initiator=${initiator.id},target=${target.id},hierarchy=memory`;
      const latency = target.lat + (isFar ? FAR_NS : 0);
      const bandwidth = Math.round(target.bw * (isFar ? FAR_SHARE : 1));
      args.push('-numa', `${pair},data-type=access-latency,latency=${latency}`);
      args.push('-numa', `${pair},data-type=access-bandwidth,bandwidth=${bandwidth}M`);
    }
  }
  return args;
}
