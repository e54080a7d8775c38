import { expect, test } from 'vitest';
import { Limiter } from '../../src/run/limiter.js';

test('never more tasks than allowed run at once, and all of them run', async () => {
  const limiter = new Limiter(2);
  let running = 0;
  let most = 0;
  const results = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7].map((value) =>
      limiter.run(async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running -= 1;
        return value;
      }),
    ),
  );
  expect([most, results]).toEqual([2, [1, 2, 3, 4, 5, 6, 7]]);
});

test('a task that fails makes room for the next', async () => {
  const limiter = new Limiter(1);
  const failing = limiter.run(() => Promise.reject(new Error('no')));
  const next = limiter.run(() => Promise.resolve('yes'));
  await expect(failing).rejects.toThrow('no');
  await expect(next).resolves.toBe('yes');
});
