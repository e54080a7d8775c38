/** Where a driver plugs a device's memory. */
export interface DriverOptions {
  /** Name of the device's plugin. Default 'cxl0'. */
  readonly device?: string;
  /** A node of the machine with `online: false`. */
  readonly nid: number;
}
