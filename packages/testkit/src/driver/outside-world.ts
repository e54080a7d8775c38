/** Runs `work` while asking for the wall clock or for `Math.random` throws. */
export function withoutOutsideWorld(work: () => void): void {
  const { random } = Math;
  const { now } = Date;
  const refuse = (what: string) => (): never => {
    throw new Error(`${what} was asked: take Clock and Prng of the machine instead`);
  };
  Math.random = refuse('Math.random');
  Date.now = refuse('Date.now');
  try {
    work();
  } finally {
    Math.random = random;
    Date.now = now;
  }
}
