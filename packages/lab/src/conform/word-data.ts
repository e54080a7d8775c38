import type { PageData, Plugin } from '@mm-lab/mm-core';
import { PageData as PageDataToken } from '@mm-lab/mm-core';

/**
 * Page contents of conformance cases. A case stores one word at the start of a page, so a page's
 * bytes are named by that word: equal words have equal keys, and word 0 is the zero page, which is
 * what KSM and the swap code ask about. The key travels with the contents through copies, migration
 * and swap, so a load finds the word under the key of the frame it hits.
 */
export class WordData implements PageData {
  /** What the next store writes. */
  word = 0;
  private readonly words: number[] = [0];
  private readonly keyByWord = new Map<number, number>([[0, 0]]);
  /** Key of each store, by its machine-wide number: a store may be asked about again later. */
  private readonly keyByVersion: number[] = [];

  /** The plugin that gives a machine these contents. */
  plugin(): Plugin {
    return {
      name: 'conform-words',
      register: (services) => services.bindValue(PageDataToken, this),
    };
  }

  keyOf(_vpn: number, version: number): number {
    const known = this.keyByVersion[version];
    if (known !== undefined) return known;
    const key = this.keyOfWord(this.word);
    this.keyByVersion[version] = key;
    return key;
  }

  /** The word at the start of a page with these contents. */
  wordOf(key: number): number {
    return this.words[key] ?? 0;
  }

  keyOfWord(word: number): number {
    const known = this.keyByWord.get(word);
    if (known !== undefined) return known;
    const key = this.words.length;
    this.words.push(word);
    this.keyByWord.set(word, key);
    return key;
  }

  render(key: number, out: Uint8Array): void {
    out.fill(0);
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    view.setBigInt64(0, BigInt(this.wordOf(key)), true);
  }

  /** A word and zeroes shrink to next to nothing with any codec. */
  compressedSize(key: number): number {
    return key === 0 ? 0 : 32;
  }
}
