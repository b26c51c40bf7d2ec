import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compareInWorkspace, type WorkspaceAnswer } from '../../src/infilling/workspace-comparison.ts';

const answer = (text: string, probability: number, milliseconds = 1): WorkspaceAnswer => ({
  text,
  probability,
  milliseconds,
});

it('compares methods on the same gaps: exact matches, first words, and the suggestions shown at each threshold', () => {
  const items = ['one(1);', 'two(2);', 'three(3);', 'four(4);'].map((middle) => ({ middle }));
  const copies = {
    name: 'copies',
    answers: [answer('one(1);  ', 0.9, 1), answer('two(9);', 0.8, 2), answer('x;', 0.3, 3), answer('', 0.95, 4)],
  };
  const both = {
    name: 'both',
    answers: [answer('one(1);', 0.9), answer('two(2);', 0.85), answer('three(3);', 0.1), answer('y', 0.05)],
  };
  const { n, rows, differences } = compareInWorkspace(items, [copies, both]);
  assert.equal(n, 4);
  const [first, second] = rows;
  assert.deepEqual([first!.exact.value, first!.first_word.value, first!.milliseconds_p50], [0.25, 0.5, 3]);
  assert.deepEqual([second!.exact.value, second!.first_word.value], [0.75, 0.75]);
  const at = (threshold: number) => first!.precision_coverage.find((point) => point.threshold === threshold);
  assert.deepEqual(at(0.8), { threshold: 0.8, precision: 0.5, coverage: 0.5 });
  assert.deepEqual(at(0.9), { threshold: 0.9, precision: 1, coverage: 0.25 });
  assert.equal(at(0.1)!.coverage, 0.75, 'nothing is shown where there is no text');
  assert.deepEqual([first!.coverage_at_half, second!.coverage_at_half], [0.5, 1]);
  assert.deepEqual(
    differences.map(({ of, against, exact }) => [of, against, exact.value]),
    [['both', 'copies', 0.5]],
  );
  assert.ok(differences[0]!.exact.low < 0.5 && differences[0]!.exact.high > 0.5);
});
