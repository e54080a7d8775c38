import { N_CPU, N_MEMORY, N_POSSIBLE } from '../abi/node-states.js';
import { MAX_NR_ZONES, ZONE_MOVABLE } from '../abi/zone.js';
import { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createServices, type Services } from '../base/di.js';
import { Prng } from '../base/prng.js';
import { PrngToken } from '../base/prng-token.js';
import { Callbacks, CallbacksToken } from '../hooks/callbacks.js';
import { MmError } from '../hooks/errors.js';
import { IsolationToken, NoIsolation } from '../hooks/isolation.js';
import { Managed, ManagedToken, OwnerColumn } from '../hooks/managed.js';
import { PageData } from '../hooks/page-data.js';
import type { Plugin } from '../hooks/plugin.js';
import { Sites, SitesToken } from '../hooks/sites.js';
import { StrayFoliosToken } from '../hooks/stray-folios.js';
import { createTracepoints, Tracepoints } from '../hooks/tracepoints.js';
import { Warnings, WarningsToken } from '../hooks/warnings.js';
import { Contents, ContentsToken } from '../mem/contents.js';
import { FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { FoliosUnderWay, FoliosUnderWayToken } from '../mem/folios-under-way.js';
import { FREE_LISTS } from '../mem/free-area.js';
import { LruLists, LruListsToken } from '../mem/lru.js';
import { MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { Nodes, NodesToken } from '../mem/nodes.js';
import { Pgdat } from '../mem/pgdat.js';
import { Ptes, PtesToken } from '../mem/ptes.js';
import { Rmap, RmapToken } from '../mem/rmap.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CgroupTree, CgroupTreeToken } from '../mm/cgroup.js';
import { CostModel, TableCostModel } from '../mm/cost-model.js';
import { FoliosToken } from '../mm/folio.js';
import { MemoryBlocksToken } from '../mm/memory-block.js';
import { MemoryHotplugToken } from '../mm/memory-hotplug.js';
import { NumaScanToken } from '../mm/numa-scan.js';
import { SYSCTL_DEFAULTS, Sysctl } from '../mm/sysctl.js';
import { WatermarksToken } from '../mm/watermarks.js';
import { WorkToken } from '../mm/work.js';
import { ZSWAP_DEFAULTS, ZswapParams } from '../mm/zswap-params.js';
import { checkConfig, distancesById, type MachineConfig, type NodeConfig } from './config.js';
import { IncompressibleData } from './default-data.js';
import { Machine } from './machine.js';
import { bindServices } from './wiring.js';
import { registerHugeShrinkers } from './wiring-huge.js';
import { registerSwapShrinkers } from './wiring-swap.js';
import { endPfn, type PlacedZone, placeZones } from './zone-config.js';

/**
 * Builds a machine: checks, wires, boots its online nodes, lets every plugin `probe`, and seals it.
 * Afterwards the container is not used again by the core.
 * @throws MmError for an impossible machine or a plugin that refuses
 */
export function createMachine(config: MachineConfig, plugins: readonly Plugin[]): Machine {
  checkConfig(config);
  checkNames(plugins);
  const services = createServices();
  const nodes = bindMemory(services, config);
  services.bindValue(PageData, new IncompressibleData());
  bindServices(services);
  for (const plugin of plugins) guard(plugin, 'register', () => plugin.register?.(services));
  bindContents(services, nodes);
  const work = services.get(WorkToken);
  services.get(ClockToken).dispatch = (handler) => work.isolate(handler);
  registerHugeShrinkers(services);
  registerSwapShrinkers(services);
  boot(services, config);
  services.get(NumaScanToken).start();
  const machine = new Machine(services, config, plugins);
  for (const plugin of plugins) guard(plugin, 'probe', () => plugin.probe?.(services));
  return machine;
}

function bindMemory(services: Services, config: MachineConfig): Nodes {
  const clock = new Clock();
  const sites = new Sites();
  const cost = new TableCostModel(config.cost);
  const zones = placeZones(config.nodes);
  const buddyLists = config.nodes.length * MAX_NR_ZONES * FREE_LISTS;
  const table = new FolioTable(endPfn(zones), buddyLists + LruLists.LISTS);
  const nodes = new Nodes(table);
  config.nodes.forEach((node, at) => {
    const own = zones.filter((zone) => zone.nid === node.id);
    addNode(nodes, node, own, distancesById(config, at), cost);
  });
  services.bindValue(ClockToken, clock);
  services.bindValue(PrngToken, new Prng(config.seed));
  services.bindValue(SitesToken, sites);
  services.bindValue(WarningsToken, new Warnings());
  services.bindValue(OwnerColumn, table.owner);
  const underWay = new FoliosUnderWay(table);
  services.bindValue(FoliosUnderWayToken, underWay);
  services.bindValue(StrayFoliosToken, underWay);
  services.bind(IsolationToken, NoIsolation);
  services.bind(CallbacksToken, Callbacks);
  services.bind(ManagedToken, Managed);
  services.bindValue(
    Tracepoints,
    createTracepoints(() => clock.now),
  );
  services.bindValue(CostModel, cost);
  services.bindValue(Sysctl, { ...SYSCTL_DEFAULTS, ...config.sysctl });
  services.bindValue(ZswapParams, { ...ZSWAP_DEFAULTS, ...config.zswap });
  services.bindValue(FolioTableToken, table);
  services.bindValue(NodesToken, nodes);
  const lru = new LruLists(table, nodes, buddyLists);
  lru.setLruGenEnabled(((config.sysctl?.lru_gen ?? SYSCTL_DEFAULTS.lru_gen) & 1) !== 0);
  services.bindValue(LruListsToken, lru);
  const cgroups = new CgroupTree();
  services.bindValue(CgroupTreeToken, cgroups);
  services.bindValue(MemCgroupsToken, new MemCgroups(table, cgroups.root));
  services.bindValue(PtesToken, new Ptes());
  services.bindValue(RmapToken, new Rmap(table));
  services.bindValue(VmstatToken, new Vmstat());
  return nodes;
}

function addNode(
  nodes: Nodes,
  node: NodeConfig,
  zones: readonly PlacedZone[],
  distances: readonly number[],
  cost: CostModel,
): void {
  const lineNs = node.lineNs ?? node.perf?.read_latency ?? cost.ns.dramLine;
  const bytesPerNs = node.bytesPerNs ?? cost.bytesPerNs.dramBandwidth;
  const cpus = node.cpus ?? 0;
  const base = Math.min(...zones.map((zone) => zone.startPfn));
  const end = Math.max(...zones.map((zone) => zone.startPfn + zone.spanned));
  const pgdat = new Pgdat(node.id, base, end - base, cpus, distances, lineNs, bytesPerNs);
  pgdat.perf = node.perf ?? null;
  pgdat.adistance = node.adistance ?? null;
  const isOnline = node.online !== false;
  pgdat.hotpluggedOnly = isOnline && zones.every((zone) => zone.hotplugged);
  nodes.pgdats[node.id] = pgdat;
  for (const placed of zones) if (isOnline || !placed.hotplugged) addZone(nodes, placed);
  nodes.setState(node.id, N_POSSIBLE);
  if (cpus > 0) nodes.setState(node.id, N_CPU);
}

/** What the kernel took in the boot lies at the start; movable memory holds nothing of it. */
function addZone(nodes: Nodes, placed: PlacedZone): void {
  const zone = nodes.zone(placed.nid, placed.type);
  nodes.growZone(zone, placed.startPfn, placed.spanned);
  zone.absentPages = placed.spanned - placed.managed;
  zone.kernelPages = placed.type === ZONE_MOVABLE ? 0 : placed.managed - placed.free;
  zone.presentPages = placed.present;
}

/** After `register`, because a plugin may have bound the page data. */
function bindContents(services: Services, nodes: Nodes): void {
  const table = services.get(FolioTableToken);
  services.bindValue(ContentsToken, new Contents(table, nodes, services.get(PageData)));
}

function boot(services: Services, config: MachineConfig): void {
  const hotplug = services.get(MemoryHotplugToken);
  const folios = services.get(FoliosToken);
  const nodes = services.get(NodesToken);
  const blocks = services.get(MemoryBlocksToken);
  folios.cpus = config.nodes.reduce((sum, node) => sum + (node.cpus ?? 0), 0);
  for (const node of config.nodes) {
    const plugged = nodes.pgdat(node.id).zones.some((zone) => zone.spannedPages > 0);
    if (node.online === false || !plugged) continue;
    hotplug.onlinePages(node.id, null);
  }
  const online = config.nodes.filter((node) => node.online !== false);
  hotplug.bootEnded(placeZones(online).some(({ hotplugged }) => hotplugged));
  for (const placed of placeZones(config.nodes)) {
    if (!nodes.hasState(placed.nid, N_MEMORY)) continue;
    blocks.addBootZone(nodes.zone(placed.nid, placed.type), placed.hotplugged);
  }
  services.get(WatermarksToken).boot(config.bootMinFreeKbytes);
  for (const { nid, type, stocked } of placeZones(online)) {
    if (stocked === 0) continue;
    nodes
      .zone(nid, type)
      .pcp(Math.max(folios.cpus - 1, 0))
      .stock(stocked);
  }
}

function checkNames(plugins: readonly Plugin[]): void {
  const seen = new Set<string>();
  for (const plugin of plugins) {
    if (seen.has(plugin.name)) throw new MmError('PLUGIN_DUPLICATE', { plugin: plugin.name });
    seen.add(plugin.name);
  }
}

/** What a plugin throws is rethrown with its name; a missing service becomes one clear line. */
function guard(plugin: Plugin, step: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    if (cause instanceof MmError) throw cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    const unbound = /unregistered|TypeInfo not known/i.test(detail);
    const code = unbound ? 'SERVICE_UNBOUND' : 'PLUGIN_THREW';
    throw new MmError(code, { plugin: plugin.name, hook: step, detail, cause });
  }
}
