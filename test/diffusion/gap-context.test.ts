import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readContext } from '../../src/diffusion/gap-context.ts';
import type { Tokenizer } from '../../src/model/tokenizer.ts';

/** A token for each character. */
const tokenizer = { encode: (text: string) => [...text].map((character) => character.charCodeAt(0)) } as Tokenizer;
const textOf = (tokens: readonly number[]) => String.fromCharCode(...tokens);
const line = (number: number) => `const value${number} = ${number * number};\n`;
const file = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => line(from + index)).join('');

describe('the window of a context', () => {
  it('has the text nearest to the gap and fits, for every budget and file', () => {
    for (const isKept of [false, true])
      for (const budget of [1, 3, 7, 40, 200])
        for (const [prefix, suffix] of [
          ['', ''],
          [file(0, 30), ''],
          ['', file(0, 30)],
          [file(0, 3), file(3, 4)],
          [file(0, 90), file(90, 120)],
          [file(0, 2), file(2, 120)],
        ] as const) {
          const read = readContext(tokenizer, { prefix, suffix, contextTokens: budget, isKept }, 180);
          assert.ok(read.prefix.length + read.suffix.length <= Math.min(budget, 180));
          assert.ok(prefix.endsWith(textOf(read.prefix)), 'the end of the prefix');
          assert.ok(suffix.startsWith(textOf(read.suffix)), 'the beginning of the suffix');
          if (budget >= 40) {
            // A window that moves in steps gives up less than a step on each side.
            const used = Math.min(budget, 180, prefix.length + suffix.length);
            const step = isKept ? Math.min(128, Math.floor(Math.min(budget, 180) / 4)) : 1;
            assert.ok(read.prefix.length + read.suffix.length > used - 2 * step, `${budget} of ${used}`);
            assert.ok(read.prefix.length >= Math.min(prefix.length, Math.floor(budget / 4)), 'enough of the prefix');
          }
        }
  });

  it('of a kept context seldom moves while text is added at the cursor', () => {
    const typed = file(40, 60);
    let moves = 0;
    let last = { start: -1, suffix: '' };
    for (let length = 0; length < typed.length; length++) {
      const prefix = file(0, 40) + typed.slice(0, length);
      const read = readContext(tokenizer, { prefix, suffix: file(60, 90), contextTokens: 512, isKept: true }, 1000);
      const now = { start: prefix.length - read.prefix.length, suffix: textOf(read.suffix) };
      if (now.start !== last.start || now.suffix !== last.suffix) moves++;
      last = now;
    }
    assert.ok(typed.length > 400);
    assert.ok(moves <= 1 + Math.ceil(typed.length / 128), `${moves} moves`);
  });

  it('leaves the suffix as it is while a short file grows', () => {
    const suffixes = new Set<string>();
    for (let length = 0; length < 60; length++) {
      const request = { prefix: line(1).repeat(4) + 'x'.repeat(length), suffix: file(0, 60), contextTokens: 512 };
      suffixes.add(textOf(readContext(tokenizer, { ...request, isKept: true }, 1000).suffix));
    }
    assert.ok(suffixes.size <= 2, `${suffixes.size} different suffixes`);
  });
});
