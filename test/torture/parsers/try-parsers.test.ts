import assert from 'node:assert/strict';
import { it } from 'node:test';
import { tryParsers } from './try-parsers.ts';

// The short form of `npm run torture -- parsers`, with the same inputs in every run.
it('every parser of outside input returns a value or names the error in one sentence', async () => {
  const { parsers, inputs, refused } = await tryParsers({ inputs: 12, seed: 4 });
  assert.ok(parsers > 20 && inputs > 12 * parsers, `${inputs} inputs for ${parsers} parsers`);
  assert.ok(refused > 0 && refused < inputs, `${refused} of ${inputs} were refused`);
});
