const WIDTH = 20;
const FULL = '█';
const EMPTY = '░';

/** `████░░░░░░  41 %` for a share of 0..1. */
export function progressBar(share: number): string {
  const bounded = Math.min(1, Math.max(0, share));
  const full = Math.round(bounded * WIDTH);
  const percent = String(Math.floor(bounded * 100)).padStart(3);
  return `${FULL.repeat(full)}${EMPTY.repeat(WIDTH - full)} ${percent} %`;
}
