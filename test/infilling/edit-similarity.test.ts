import assert from 'node:assert/strict';
import { test } from 'node:test';
import { editSimilarity } from '../../src/infilling/edit-similarity.ts';

test('the edit similarity is the minimum number of edits, relative to the longer text', () => {
  for (const [one, other, expected] of [
    ['', '', 1],
    ['same();', 'same();', 1],
    ['', 'abcd', 0],
    ['kitten', 'sitting', 1 - 3 / 7],
    ['sunday', 'saturday', 1 - 3 / 8],
    ['abc', 'cba', 1 - 2 / 3],
    // White space counts.
    ['a = 1;', 'a = 1; ', 1 - 1 / 7],
    ['a\n  b', 'a\n    b', 1 - 2 / 7],
    // One character with two code units.
    ['a\u{1F600}', 'a\u{1F601}', 1 / 2],
  ] as const) {
    assert.equal(editSimilarity(one, other), expected, `${one} and ${other}`);
    assert.equal(editSimilarity(other, one), expected, `${other} and ${one}`);
  }
});
