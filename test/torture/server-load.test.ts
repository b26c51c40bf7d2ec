import assert from 'node:assert/strict';
import { it } from 'node:test';
import { loadServer } from './server-load.ts';

// The short form of `npm run torture -- load`. Times are measured there and not here, because they depend on the machine.
it('the server answers every request of a user who types fast, and ends on request', async () => {
  const { requests, cancelled, unanswered, backlog } = await loadServer({ seconds: 3, seed: 1 });
  assert.equal(unanswered, 0);
  assert.ok(requests >= 10 && cancelled > 0, `${requests} requests, ${cancelled} cancelled`);
  assert.ok(backlog <= requests);
});
