import {
  type Clock,
  ClockToken,
  type CompressingDevice,
  type DeviceBinding,
  deviceToken,
  inject,
  injectable,
  PageData,
  type Plugin,
  type ThresholdKind,
} from '@mm-lab/mm-core';

/** A small compressing device with latency on its interrupts; sizes are those of the page data. */
export class FakeDevice implements CompressingDevice {
  readonly name = 'cxl0';
  readonly lineNs = 250;
  overflows = 0;
  private binding: DeviceBinding | null = null;
  private readonly bytes = new Map<number, number>();
  private readonly poisoned = new Set<number>();
  private used = 0;
  private scarce = false;
  private readonly handlers: ((kind: ThresholdKind) => void)[] = [];

  constructor(
    readonly capacityBytes: number,
    readonly logicalPages: number,
    private readonly interruptNs: number,
    private readonly clock: Clock,
    private readonly data: PageData,
  ) {}

  attach(binding: DeviceBinding): void {
    this.binding = binding;
  }

  detach(): void {
    this.binding = null;
    this.bytes.clear();
    this.poisoned.clear();
    this.used = 0;
    this.scarce = false;
  }

  store(pfn: number, key: number): boolean {
    if (this.binding === null) throw new Error('not attached');
    const size = key === 0 ? 0 : this.data.compressedSize(key, 'lz4', 4096);
    const fits = this.used - this.storedBytes(pfn) + size <= this.capacityBytes;
    this.set(pfn, fits ? size : 0);
    if (fits) return true;
    this.overflows++;
    this.poisoned.add(pfn);
    return false;
  }

  discard(pfn: number): void {
    this.set(pfn, 0);
  }

  readPageNs(pfn: number): number {
    return this.storedBytes(pfn) > 0 ? 300 : 0;
  }

  usedBytes(): number {
    return this.used;
  }

  storedPages(): number {
    return this.bytes.size;
  }

  isPoisoned(pfn: number): boolean {
    return this.poisoned.has(pfn);
  }

  storedBytes(pfn: number): number {
    return this.bytes.get(pfn) ?? 0;
  }

  onThreshold(handler: (kind: ThresholdKind) => void): void {
    this.handlers.push(handler);
  }

  private set(pfn: number, size: number): void {
    this.poisoned.delete(pfn);
    this.used += size - this.storedBytes(pfn);
    if (size > 0) this.bytes.set(pfn, size);
    else this.bytes.delete(pfn);
    if (!this.scarce && this.used > 0.9 * this.capacityBytes) this.raise('low');
    else if (this.scarce && this.used < 0.8 * this.capacityBytes) this.raise('high');
  }

  private raise(kind: ThresholdKind): void {
    this.scarce = kind === 'low';
    this.clock.after(this.interruptNs, () => {
      for (const handler of this.handlers) handler(kind);
    });
  }
}

/** Contents whose size drifts: from `sizeFirst` bytes at the start to `sizeLast` at the end. */
export class DriftingData implements PageData {
  constructor(
    private readonly sizeFirst: number,
    private readonly sizeLast: number,
  ) {}

  keyOf(vpn: number, version: number, progress: number): number {
    const drifted = this.sizeFirst + (this.sizeLast - this.sizeFirst) * progress;
    const spread = 0.5 + ((vpn * 7 + version * 13) % 64) / 64;
    return Math.max(1, Math.min(4096, Math.round(drifted * spread)));
  }

  render(key: number, out: Uint8Array): void {
    out.fill(key & 0xff);
  }

  compressedSize(key: number): number {
    return key;
  }
}

/** Plugs the fake device in, and the page data. */
export function fakeDevice(options: {
  readonly capacityBytes: number;
  readonly logicalPages: number;
  readonly interruptNs?: number;
  readonly sizes?: readonly [first: number, last: number];
}): Plugin & { device(): FakeDevice } {
  const made: FakeDevice[] = [];
  const { capacityBytes, logicalPages, interruptNs = 50_000, sizes = [1000, 1000] } = options;

  @injectable()
  class Bound extends FakeDevice {
    constructor(@inject(ClockToken) clock: Clock, @inject(PageData) data: PageData) {
      super(capacityBytes, logicalPages, interruptNs, clock, data);
      made.push(this);
    }
  }

  return {
    name: 'cxl0',
    register: (services) => {
      services.bindValue(PageData, new DriftingData(...sizes));
      services.bind(deviceToken('cxl0'), Bound);
    },
    device: () => {
      const device = made[0];
      if (device === undefined) throw new Error('the device is not in use');
      return device;
    },
  };
}
