import {
  type Contents,
  ContentsToken,
  CostModel,
  createToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Nodes,
  NodesToken,
  VERSION_LOST,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';

/** A driver's copy of a page between RAM and device, with its price. */
@injectable()
export class DeviceCopy {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Copies a page by CPU, as all drivers without a copy engine do. Charges what migrate_pages costs
   * without its TLB flush, plus what the source's device takes to yield a page.
   *
   * @returns false if the device could not keep it: the source still has the data
   */
  copy(dst: number, src: number): boolean {
    const source = this.nodes.pgdat(this.nodes.nidOf(src));
    const target = this.nodes.pgdat(this.nodes.nidOf(dst));
    const { migratePage, copyPage } = this.cost.ns;
    this.work.charge(migratePage - copyPage + this.cost.copyPageNs({ source, target }));
    if (source.device !== null) this.work.charge(source.device.readPageNs(src));
    this.contents.copy(dst, src);
    return this.table.version[dst] !== VERSION_LOST || this.table.version[src] === VERSION_LOST;
  }
}
export const DeviceCopyToken = createToken<DeviceCopy>('DeviceCopy');
