// Boots a guest with cases and reads what it says of them.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { machines, option, WORK } from './paths.mjs';
import { qemuArgs } from './qemu.mjs';

/** Boots for the cases of one machine: a case that takes the guest down costs one. */
const BOOTS_MAX = 12;
/** A guest that says nothing for so many seconds hangs. */
const IDLE_SECONDS_MAX = 240;
const CMDLINE = [
  ...['console=ttyS0', 'nokaslr', 'norandmaps', 'panic=-1', 'quiet', 'mitigations=off', 'audit=0'],
  ...['transparent_hugepage=madvise', 'cgroup_no_v1=all', 'nmi_watchdog=0', 'nowatchdog'],
  'rcupdate.rcu_cpu_stall_suppress=1',
];

/**
 * All the cases of a machine in one boot; a case that takes the guest down is recorded so and the
 * rest go on in a new boot.
 */
export async function bootAll(kernel, machineName, cases, tag) {
  const results = new Map();
  let rest = cases;
  let header = null;
  let secs = 0;
  for (let boot = 0; rest.length > 0 && boot < BOOTS_MAX; boot++) {
    const run = await bootOnce(kernel, machineName, rest, tag);
    header ??= run.header;
    secs += run.secs;
    for (const [id, result] of run.results) results.set(id, result);
    if (run.ended) break;
    if (!run.header) {
      console.error(`guest did not come up: ${kernel}/${machineName} (${WORK}/console-${tag}.txt)`);
      break;
    }
    if (run.began && !results.has(run.began)) {
      const broken = run.hung ? 'guest hung' : 'guest went down';
      results.set(run.began, { id: run.began, broken });
    }
    rest = rest.filter(({ id }) => !results.has(id));
    console.error(`  guest ended early at ${run.began}; ${rest.length} cases left`);
  }
  return { header, results, secs };
}

async function bootOnce(kernel, machineName, cases, tag) {
  const machine = machines[machineName];
  const kernelFolder = path.join(WORK, 'kernels', kernel);
  const out = path.join(WORK, `out-${tag}.txt`);
  const initrd = path.join(WORK, `initrd-${tag}.img`);
  const files = { 'cases.json': lines(cases.map((kase) => JSON.stringify(kase))) };
  if (machine.hmm) files['modules.list'] = lines([`/mod/test_hmm.ko ${machine.hmm}`]);
  appendToArchive(path.join(kernelFolder, 'base.cpio'), files, initrd);
  fs.rmSync(out, { force: true });
  const begin = Date.now();
  const hung = await runGuest(guestArgs({ machine, kernelFolder, initrd, out, tag }), out, begin);
  const run = readOutput(out);
  fs.rmSync(initrd, { force: true });
  return { ...run, secs: (Date.now() - begin) / 1000, hung };
}

function guestArgs({ machine, kernelFolder, initrd, out, tag }) {
  return [
    ...qemuArgs(machine),
    ...['-kernel', path.join(kernelFolder, 'vmlinuz'), '-initrd', initrd],
    ...['-display', 'none', '-nodefaults', '-no-reboot'],
    ...['-serial', `file:${path.join(WORK, `console-${tag}.txt`)}`],
    ...['-device', 'virtio-serial-pci', '-chardev', `file,id=o,path=${out}`],
    ...['-device', 'virtserialport,chardev=o,name=oracle'],
    ...['-rtc', 'base=2026-01-01T00:00:00,clock=vm', '-seed', '1'],
    ...['-append', [...CMDLINE, machine.cmdline ?? ''].join(' ')],
  ];
}

/** @returns did it have to be stopped? */
function runGuest(args, out, begin) {
  const guest = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const limitMs = Number(option('boot-timeout', 2400)) * 1000;
  let hung = false;
  let last = -1;
  let idle = 0;
  return new Promise((resolve) => {
    const watch = setInterval(() => {
      const size = fs.existsSync(out) ? fs.statSync(out).size : 0;
      idle = size === last ? idle + 1 : 0;
      last = size;
      if (Date.now() - begin <= limitMs && idle <= IDLE_SECONDS_MAX) return;
      hung = true;
      guest.kill('SIGKILL');
    }, 1000);
    guest.on('exit', () => {
      clearInterval(watch);
      resolve(hung);
    });
  });
}

function readOutput(out) {
  const text = fs.existsSync(out) ? fs.readFileSync(out, 'utf8') : '';
  const run = { header: null, results: new Map(), began: null, ended: false };
  for (const line of text.split('\n').filter(Boolean)) {
    const said = parsed(line);
    if (said === undefined) console.error('bad line', line.slice(0, 200));
    else if (said.header) run.header = said.header;
    else if (said.begin) run.began = said.begin;
    else if (said.end) run.ended = true;
    else if (said.id) {
      run.results.set(said.id, said);
      if (run.began === said.id) run.began = null;
    }
  }
  return run;
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** A second archive behind the first adds its files to the guest's root. */
function appendToArchive(base, files, out) {
  const folder = fs.mkdtempSync(path.join(WORK, 'ir-'));
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text);
  const archive = execFileSync('cpio', ['-o', '-H', 'newc', '--quiet'], {
    cwd: folder,
    input: lines(Object.keys(files)),
    maxBuffer: 1 << 28,
  });
  fs.writeFileSync(out, Buffer.concat([fs.readFileSync(base), archive]));
  fs.rmSync(folder, { recursive: true });
}

function lines(texts) {
  return `${texts.join('\n')}\n`;
}
