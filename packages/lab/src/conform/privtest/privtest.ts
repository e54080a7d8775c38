import { type Cram, CramToken } from '@mm-lab/cram';
import {
  EINVAL,
  type Kswapd,
  KswapdToken,
  type Machine,
  PAGE_SIZE,
  type PseudoFiles,
  PseudoFilesToken,
  type Services,
  type TaskStruct,
} from '@mm-lab/mm-core';
import { type NodePrivate, NodePrivateToken, PrivateHotplugToken } from '@mm-lab/node-private';
import { Callbacks } from './callbacks.js';
import { Counters } from './counters.js';
import { KernelPages } from './kernel-pages.js';
import { MemoryCommands } from './memory-commands.js';
import { infoText, pagesText, walkText, zonelistText } from './views.js';
import { Words } from './words.js';

const FOLDER = '/sys/kernel/debug/privtest';

/** Regions of a case lie a gigabyte apart from here on. */
const REGIONS_VPN = 2 ** 40 / PAGE_SIZE;
const REGION_PAGES = 2 ** 30 / PAGE_SIZE;

type Command = (words: Words, task: TaskStruct | null) => number;

/**
 * The recorder's test driver for private nodes: commands are written to `cmd`, what the call
 * answers is the write's answer, and what else there is to say stands in `result`.
 */
export class Privtest {
  private result = '';
  private readonly nodePrivate: NodePrivate;
  private readonly kswapd: Kswapd;
  private readonly files: PseudoFiles;
  private readonly cram: Cram;
  private readonly callbacks: Callbacks;
  private readonly pages: KernelPages;
  private readonly commands: ReadonlyMap<string, Command>;
  private readonly owners: readonly object[] = [{}, {}];

  /** @param leftoversNid node whose frames hold what the firmware left there */
  constructor(
    services: Services,
    private readonly machine: Machine,
    private readonly leftoversNid: number,
  ) {
    this.kswapd = services.get(KswapdToken);
    this.nodePrivate = services.get(NodePrivateToken);
    this.cram = services.get(CramToken);
    this.callbacks = new Callbacks(services);
    this.pages = new KernelPages(machine);
    const hotplug = services.get(PrivateHotplugToken);
    const memory = new MemoryCommands(machine, this.nodePrivate, hotplug, this.callbacks);
    this.commands = new Map([
      ...this.memoryCommands(memory),
      ...this.cramCommands(),
      ...this.viewCommands(),
      ...this.stateCommands(),
    ]);
    this.files = services.get(PseudoFilesToken);
  }

  /** From now on cases find the driver. */
  addFiles(): void {
    const { files } = this;
    files.add(`${FOLDER}/cmd`, { write: (text, task) => this.run(text, task) });
    files.add(`${FOLDER}/result`, { read: () => this.result });
  }

  private run(text: string, task: TaskStruct | null): number {
    const words = new Words(text);
    const command = this.commands.get(words.verb);
    return command === undefined ? -EINVAL : command(words, task);
  }

  private memoryCommands(memory: MemoryCommands): [string, Command][] {
    return [
      ['add', (words) => memory.add(words)],
      ['remove', (words) => memory.remove(words)],
      ['addplain', (words) => memory.addPlain(words)],
      ['removeplain', (words) => memory.removePlain(words)],
      ['reg', (words) => memory.register(words)],
      ['unreg', (words) => memory.unregister(words)],
      ['ops', (words) => memory.setOps(words)],
      ['opsnull', (words) => memory.setNoOps(words)],
      ['clr', (words) => memory.clearOps(words)],
      ['clrother', (words) => memory.clearStrangerOps(words)],
    ];
  }

  private cramCommands(): [string, Command][] {
    const { cram } = this;
    return [
      ['cram', (words) => this.registerCram(words)],
      ['uncram', (words) => cram.cram_unregister_private_node(words.int(1))],
      ['unpurge', (words) => cram.cram_unpurge(words.int(1))],
      ['press', (words) => this.done(() => cram.cram_set_pressure(words.int(1), words.int(2)))],
    ];
  }

  private viewCommands(): [string, Command][] {
    return [
      ['info', (words) => this.say(infoText(this.machine, this.nodePrivate, words.int(1)))],
      ['zonelist', (words) => this.sayOf(words, (nid) => this.zonelistsOf(nid))],
      ['pages', (words) => this.sayOf(words, (nid) => this.pagesOf(nid))],
      ['walk', (words, task) => this.walk(words, task)],
      ['counts', () => this.say(this.callbacks.counters.text(this.callbacks.deferred))],
    ];
  }

  private stateCommands(): [string, Command][] {
    return [
      ['alloc', (words) => this.sayOf(words, () => this.alloc(words))],
      ['freeall', () => this.done(() => this.pages.freeAll())],
      ['zero', () => this.done(() => (this.callbacks.counters = new Counters()))],
      ['mode', (words) => this.done(() => this.setMode(words))],
      ['undefer', () => this.say(`put=${this.callbacks.release()}`)],
      ['kswapd', (words) => this.done(() => this.setKswapd(words))],
      ['boost', (words) => this.done(() => this.boost(words))],
      ['refresh', () => this.done(() => this.machine.tiers.refresh())],
    ];
  }

  private done(run: () => unknown): number {
    run();
    return 0;
  }

  private say(text: string): number {
    this.result = text;
    return 0;
  }

  /** The same of a node that there can be. */
  private sayOf(words: Words, textOf: (nid: number) => string): number {
    const nid = words.int(1);
    return this.machine.nodes.exists(nid) ? this.say(textOf(nid)) : -EINVAL;
  }

  private registerCram(words: Words): number {
    const owner = this.owners[words.int(2)] ?? {};
    const flush = words.int(3) === 1 ? (folio: number) => this.callbacks.flush(folio) : null;
    return this.cram.cram_register_private_node(words.int(1), owner, flush);
  }

  private zonelistsOf(nid: number): string {
    return zonelistText(this.machine.nodes.pgdat(nid));
  }

  private pagesOf(nid: number): string {
    this.machine.folios.lruAddDrainAll();
    return pagesText(this.machine, nid, nid === this.leftoversNid);
  }

  private walk(words: Words, task: TaskStruct | null): number {
    if (task === null) return -EINVAL;
    const vpn = REGIONS_VPN + words.int(1) * REGION_PAGES + words.int(3);
    return this.say(walkText(this.machine, task.mm, vpn, words.int(2)));
  }

  private alloc(words: Words): string {
    return this.pages.alloc({
      nid: words.int(1),
      letters: words.text(2),
      count: words.int(3),
      order: words.int(4),
      mask: words.int(5),
    });
  }

  private setMode(words: Words): void {
    this.callbacks.mode = {
      refuses: words.int(1) === 1,
      keeps: words.int(3) === 1,
      flushAnswer: words.int(4),
    };
  }

  private setKswapd(words: Words): void {
    if (!this.machine.nodes.exists(words.int(1))) return;
    if (words.int(2) === 1) this.kswapd.start(words.int(1));
    else this.kswapd.stop(words.int(1));
  }

  /** The watermarks of a node rise by so many thousandths of it, without a word to its owner. */
  private boost(words: Words): void {
    const nid = words.int(1);
    const zone = this.machine.nodes.pgdats[nid]?.zones.find(({ managedPages }) => managedPages > 0);
    if (zone === undefined) return;
    zone.watermarkBoost = Math.floor((zone.managedPages * words.int(2)) / 1000);
    if (zone.watermarkBoost > 0) this.machine.zoneAlloc.wakeupKswapd(nid, 0);
  }
}
