import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EditLog } from '../../src/edits/edit-log.ts';
import { Random } from '../../src/platform/random.ts';
import { applyEdit, minimalEdit, type TextEdit } from '../../src/protocol/text-edit.ts';

/** A document that records its changes. */
class Editor {
  readonly log = new EditLog(1);
  text: string;
  time = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Makes changes in one step, each at the first place of a text. */
  change(...changes: readonly (readonly [before: string, after: string])[]): this {
    return this.edit(
      ...changes.map(([before, after]) => {
        const start = this.text.indexOf(before);
        return { start, end: start + before.length, text: after };
      }),
    );
  }

  edit(...changes: readonly TextEdit[]): this {
    this.time += 1_000;
    this.log.record(this.text, changes, this.log.version + 1, this.time);
    for (const change of changes) this.text = applyEdit(this.text, change);
    return this;
  }

  get edits(): (readonly [before: string, after: string])[] {
    return this.log.edits.map(({ before, after }) => [before, after] as const);
  }
}

describe('recent edits', () => {
  it('are the changes at one place, whose typing is one edit', () => {
    const editor = new Editor('const total = 1;\nuse(total);\n');
    editor.change(['total', '']);
    for (const letter of 'sum')
      editor.edit({ start: 6 + 'sum'.indexOf(letter), end: 6 + 'sum'.indexOf(letter), text: letter });
    assert.deepEqual(editor.edits, [['total', 'sum']]);
    editor.change(['use', 'show']);
    assert.deepEqual(editor.edits.length, 2);
    for (const { start, after } of editor.log.edits)
      assert.equal(editor.text.slice(start, start + after.length), after);
  });

  it('are one edit if a name is deleted and another one is typed letter by letter, whatever letters they share', () => {
    const random = new Random(0, 'names');
    const word = () => Array.from({ length: 1 + random.integer(5) }, () => 'ab'[random.integer(2)]!).join('');
    for (let round = 0; round < 200; round++) {
      const [from, to] = [word(), word()];
      const editor = new Editor(`x = ${from};`);
      for (let end = 4 + from.length; end > 4; end--) editor.edit({ start: end - 1, end, text: '' });
      for (const [index, letter] of [...to].entries()) editor.edit({ start: 4 + index, end: 4 + index, text: letter });
      const { start, end, text } = minimalEdit(from, { start: 0, end: from.length, text: to });
      assert.deepEqual(editor.edits, from === to ? [] : [[from.slice(start, end), text]], `${from} to ${to}`);
    }
  });

  it('end with a long pause at the same place', () => {
    const editor = new Editor('a = 1\n').edit({ start: 1, end: 1, text: 'b' });
    editor.time += 1e6;
    editor.edit({ start: 2, end: 2, text: 'c' });
    assert.deepEqual(editor.edits, [
      ['', 'b'],
      ['', 'c'],
    ]);
  });

  it('are forgotten when they are undone, and not made by redoing them', () => {
    const editor = new Editor('one two\n').change(['one', 'three']);
    editor.edit({ start: 0, end: 5, text: 'one' });
    assert.deepEqual(editor.edits, []);
    editor.change(['one', 'three']);
    assert.deepEqual(editor.edits, []);
    editor.change(['two', 'four']);
    assert.deepEqual(editor.edits, [['two', 'four']]);
  });

  it('are not what a formatter does, in one or in many changes', () => {
    const editor = new Editor('f( a );\ng( b );\n').change(['f', 'call']);
    editor.edit({ start: 15, end: 16, text: '' }, { start: 13, end: 14, text: '' });
    assert.match(editor.text, /^g\(b\);$/m);
    editor.change(['\n', '\n\n']);
    assert.deepEqual(editor.edits, [['f', 'call']]);
  });

  it('are not what several cursors or a reload do, after which the earlier ones are forgotten', () => {
    const lines = 'a;\na;\na;\n';
    const editor = new Editor(lines).change([';', '.x;']);
    editor.edit({ start: 9, end: 9, text: 'y' }, { start: 5, end: 5, text: 'y' });
    assert.deepEqual(editor.edits, []);
    const reloaded = new Editor(lines).change([';', '.x;']);
    reloaded.log.replaced(9);
    assert.deepEqual([reloaded.edits, reloaded.log.version], [[], 9]);
    assert.equal(reloaded.log.follow([{ start: 0, end: 1 }], 2), null);
  });

  it('can be brackets around a selection, which are inserted in one step', () => {
    const editor = new Editor('let x = value;\n').edit(
      { start: 8, end: 8, text: '(' },
      { start: 14, end: 14, text: ')' },
    );
    assert.deepEqual(editor.edits, [
      ['', '('],
      ['', ')'],
    ]);
  });

  it('keep their places, earlier texts and earlier spans through random changes', () => {
    const random = new Random(1);
    for (let round = 0; round < 60; round++) {
      const editor = new Editor('alpha beta gamma\r\ndelta = epsilon(zeta);\r\neta\r\n');
      const texts = new Map([[1, editor.text]]);
      for (let step = 0; step < 25; step++) {
        const start = random.integer(editor.text.length + 1);
        const end = Math.min(editor.text.length, start + random.integer(6));
        editor.edit({ start, end, text: random.pick(['', 'x', ' ', 'name', '\r\n', 'f(a)']) });
        texts.set(editor.log.version, editor.text);
        for (const edit of editor.log.edits)
          assert.equal(editor.text.slice(edit.start, edit.start + edit.after.length), edit.after);
      }
      for (const [version, text] of texts) {
        assert.equal(editor.log.textAt(version, editor.text), text);
        const spans = Array.from({ length: text.length - 3 }, (_, at) => ({ start: at, end: at + 3 }));
        for (const span of spans)
          for (const now of editor.log.follow([span], version)!)
            assert.equal(editor.text.slice(now.start, now.end), text.slice(span.start, span.end));
      }
    }
  });
});
