import { PageData, type Plugin } from '../src/index.js';

/** Contents that compress to so many bytes each, by the number of the virtual page. */
export function compressible(sizeOf: (vpn: number) => number): Plugin {
  const data = {
    keyOf: (vpn: number) => vpn + 1,
    render: (key: number, out: Uint8Array) => {
      out.fill(0);
      out[0] = key;
      out[100] = key;
    },
    compressedSize: (key: number) => (key === 0 ? 0 : sizeOf(key - 1)),
  };
  return { name: 'compressible', register: (services) => services.bindValue(PageData, data) };
}
