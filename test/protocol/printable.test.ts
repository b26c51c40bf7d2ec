import assert from 'node:assert/strict';
import { it } from 'node:test';
import { printable, printableJson, printableLine, withoutControls } from '../../src/protocol/printable.ts';

/** What a terminal or a page would obey or hide. */
const hostile = [
  '\x1b[2J\x1b]0;title\x07',
  '\u009b31m',
  '\x7f\x08\x00',
  'file.txt\rforged',
  '\u202egnp.exe',
  '\u2066isolated\u2069',
  '\u200fright to left',
  '\u061c',
  'line\u2028separator\u2029',
  'in\u200bvisible\ufeff\u00ad\u2060',
  'tags \u{e0041}\u{e007f}',
  'half a pair \ud800.',
];
const obeyed =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be left
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\u061c\u2028\u2029\ufeff\ud800]|\u{e0041}/u;

it('no control, bidirectional or invisible character of a text is left', () => {
  for (const text of hostile) {
    for (const shown of [printable(text), printableLine(text), printableJson({ text })]) {
      assert.doesNotMatch(shown, obeyed, JSON.stringify(text));
      assert.match(shown, /\\(u[0-9a-f]{4}|r)/, 'its escape is shown');
    }
    assert.doesNotMatch(withoutControls(text), obeyed);
    assert.deepEqual(JSON.parse(printableJson({ text })), { text }, 'JSON still parses to the same text');
  }
  assert.equal(printable('\x1b[31mred'), '\\u001b[31mred');
  assert.equal(printable('\u{e0041}'), '\\udb40\\udc41');
});

it('ordinary text of every script is unchanged', () => {
  for (const text of ['', 'a\tb\nc', 'naïve – “quotes” …', '日本語', 'עברית', 'العربية', 'می‌خواهم', '👩‍👩‍👧‍👦 ❤️', '𝒳'])
    assert.equal(printable(text), text);
  assert.equal(printable('a\r\nb\r\n'), 'a\nb\n');
});

it('a line stays one line', () => {
  assert.equal(printableLine('ok\nunmask: forged\r\nmore'), 'ok\\nunmask: forged\\nmore');
});
