import { EINVAL, type HookName, SITE_FACTS, type SiteName } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { Spy } from './callback-spy.js';
import { CALLBACK_STORIES } from './callback-stories.js';

/** Every site of the registry that may end in a callback, with that callback. */
const SITES = Object.keys(SITE_FACTS)
  .filter((name): name is SiteName => Object.hasOwn(SITE_FACTS, name))
  .flatMap((name): (readonly [SiteName, HookName])[] => {
    const { hook } = SITE_FACTS[name];
    return hook === null ? [] : [[name, hook]];
  });

/** Answers "special" so far: of a site, and of the others that end in the same callback. */
function asked({ world }: Spy, name: SiteName): readonly [here: number, elsewhere: number] {
  const sum = { here: 0, elsewhere: 0 };
  for (const site of world.machine.sites.report()) {
    if (site.name === name) sum.here += site.managed;
    else if (site.hook === SITE_FACTS[name].hook) sum.elsewhere += site.managed;
  }
  return [sum.here, sum.elsewhere];
}

test('every site with a callback has its story', () => {
  expect(Object.keys(CALLBACK_STORIES).sort()).toEqual(SITES.map(([name]) => name).sort());
});

describe.for(SITES)('%s', ([name, hook]) => {
  const story = CALLBACK_STORIES[name];
  if (story === undefined) return;

  test(`calls ${hook}, and no other site does`, () => {
    const spy = new Spy(hook, story);
    expect(spy.opted).toBe(0);
    const before = asked(spy, name);
    story.tell(spy.world);
    const after = asked(spy, name);
    expect(spy.calls).toEqual(story.calls);
    expect([after[0] > before[0], after[1] - before[1]]).toEqual([true, 0]);
    spy.world.machine.verify();
  });

  test('goes on as ever without the callback, or is refused', () => {
    const isObliged = hook === 'migrate_to' || hook === 'folio_migrate';
    const spy = new Spy(hook, story, 'left out');
    expect(spy.opted).toBe(isObliged ? -EINVAL : 0);
    if (isObliged) return;
    const [before] = asked(spy, name);
    story.tell(spy.world);
    expect(asked(spy, name)[0]).toBeGreaterThan(before);
    spy.world.machine.verify();
  });

  for (const { when, says, how } of story.sleeps) {
    const said = says === null ? 'may sleep' : 'may not sleep, and is told';
    test(`${when}: it ${said}`, () => {
      const spy = new Spy(hook, story);
      const { machine } = spy.world;
      spy.act = () => machine.folios.lruAddDrainAll();
      if (how === 'after the unlock') spy.unlocks = 'first';
      const tell = (): void => story.tell(spy.world);
      const run = how === 'in an interrupt' ? () => spy.interrupt(tell) : tell;
      if (says === null) expect(run).not.toThrow();
      else expect(run).toThrow(says);
      expect(spy.calls.length).toBeGreaterThan(0);
    });
  }
});
