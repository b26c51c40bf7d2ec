import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ghostTextOf } from '../../src/extension/next-edits/ghost-text.ts';
import { Random } from '../../src/platform/random.ts';
import { applyEdit, type TextEdit } from '../../src/protocol/text-edit.ts';

/** An edit of a text in which `[old|new]` marks the edit, and `^` the cursor. */
function marked(source: string): { text: string; edit: TextEdit; cursor: number } {
  const cursor = source.replace(/\[(.*?)\|.*?\]/s, '$1').indexOf('^');
  const [, old, now] = /\[(.*?)\|(.*?)\]/s.exec(source)!;
  const plain = source.replace('^', '');
  const start = plain.indexOf('[');
  const text = plain.replace(/\[.*?\|.*?\]/s, old!.replace('^', ''));
  return { text, edit: { start, end: start + old!.replace('^', '').length, text: now! }, cursor };
}

describe('ghost text of a next edit', () => {
  it('inserts at or after the cursor on its line', () => {
    for (const [source, expected] of [
      ['use(^[|sum]);\n', 'sum'],
      ['use^(a[|, b]);\n', '(a, b'],
      ['use(^[foo|String(foo)]);\n', 'String(foo)'],
      ["import a from 'a';^[|\nimport b from 'b';]\nrun();\n", "\nimport b from 'b';"],
      ["import a from 'a';^\n[|import b from 'b';\n]run();\n", "\nimport b from 'b';"],
    ] as const) {
      const { text, edit, cursor } = marked(source);
      assert.equal(ghostTextOf(text, edit, cursor)?.text, expected, source);
    }
  });

  it('is not used for what replaces, precedes the cursor, or is on another line', () => {
    for (const source of [
      'use(^[total|sum]);\n',
      'use([|sum], a^);\n',
      '^use();\nrun([|sum]);\n',
      '^use([a,\nb|a]);\n',
    ]) {
      const { text, edit, cursor } = marked(source);
      assert.equal(ghostTextOf(text, edit, cursor), null, source);
    }
  });

  it('makes the same document as the edit, from a range of one line that begins at the cursor', () => {
    const random = new Random(2);
    let count = 0;
    for (let round = 0; round < 3_000; round++) {
      const lineBreak = random.pick(['\n', '\r\n']);
      const line = () => Array.from({ length: random.integer(4) }, () => random.pick(['a', 'b', ' '])).join('');
      const text = [line(), line(), line()].join(lineBreak);
      const places = [0, ...text.split('').map((_, at) => at + 1)].filter((at) => text[at - 1] !== '\r');
      const [start, end] = [random.pick(places), random.pick(places)].sort((a, b) => a - b) as [number, number];
      const edit = { start, end, text: random.pick(['a', 'ab', `b${lineBreak}`, `${lineBreak}a`, 'aab', '']) };
      const cursor = random.pick(places);
      const ghost = ghostTextOf(text, edit, cursor);
      if (!ghost) continue;
      count++;
      assert.equal(applyEdit(text, ghost), applyEdit(text, edit), JSON.stringify({ text, edit, cursor }));
      assert.equal(ghost.start, cursor);
      assert.doesNotMatch(text.slice(ghost.start, ghost.end), /[\r\n]/);
    }
    assert.ok(count > 100, String(count));
  });
});
