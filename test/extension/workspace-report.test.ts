import assert from 'node:assert/strict';
import { it } from 'node:test';
import { workspaceReport } from '../../src/extension/workspace/workspace-report.ts';
import type { WorkspaceDocument, WorkspaceRow } from '../../src/protocol/workspace-comparison.ts';

const interval = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
const row = (name: string, value: number): WorkspaceRow => ({
  name,
  exact: interval(value),
  first_word: interval(value + 0.2),
  milliseconds_p50: 123.4,
  coverage_at_half: 0.5,
  precision_coverage: [
    { threshold: 0.1, precision: 0.4, coverage: 1 },
    { threshold: 0.2, precision: 0.4, coverage: 1 },
    { threshold: 0.5, precision: 0.75, coverage: 0.5 },
    { threshold: 0.9, precision: null, coverage: 0 },
  ],
});
const document: WorkspaceDocument = {
  model: 'unmask-code',
  workspace: '/work/shop',
  n: 200,
  learned: { model: 'learned/shop-1', held_out_files: 7 },
  rows: [row('model', 0.15), row('both', 0.26), row('learned', 0.3), row('peer:127.0.0.1:8080', 0.2)],
  differences: [{ of: 'learned', against: 'both', exact: { value: 0.04, low: 0.01, high: 0.07 } }],
  gate: [{ level: 'balanced', threshold: 0.3, precision: 0.52, coverage: 0.4 }],
  index: { files: 9, characters: 1, bytes_per_character: 4, seconds_per_megabyte: 1, query_milliseconds_p90: 1 },
  seconds: 1,
};

it('the report of a workspace has a row for each method, differences, and precision against coverage', () => {
  const lines = workspaceReport(document).split('\n');
  const line = (start: string) => lines.find((one) => one.startsWith(start)) ?? assert.fail(start);
  assert.match(line('The rest of a line'), /200 places, in 7 files that the learned model was not trained on/);
  assert.match(line('Model alone '), /15 % \(5 to 25 %\) +35 % \(25 to 45 %\) +123 ms$/);
  assert.match(line('Server at 127.0.0.1:8080'), /20 %/);
  assert.match(line('  Learned model and copies minus Model and copies'), /\+4\.0 % \(\+1\.0 % to \+7\.0 %\)$/);
  assert.match(line('  balanced'), /a suggestion in 40 % of the places; 52 % of them right/);
  const at = lines.indexOf('Model and copies: if less is shown, more of it is right');
  assert.deepEqual(lines.slice(at + 1, at + 3), [
    `  ${'\u2588'.repeat(40)} 100 % shown,  40 % of it right`,
    `  ${'\u2588'.repeat(20).padEnd(40)}  50 % shown,  75 % of it right`,
  ]);
  assert.equal(lines[at + 3], '', 'a threshold that shows the same, or nothing, has no line');
});
