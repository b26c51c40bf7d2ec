import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { claimEnd, endedRuns } from '../../src/extension/jobs/run-ends.ts';
import { exampleRun } from './example-run.ts';

const going = exampleRun();
const finished = exampleRun({ state: 'finished' });

describe('endedRuns', () => {
  it('returns runs that were running in the previous list', () => {
    assert.deepEqual(endedRuns({ runs: [finished], before: [going], first: false }, []), [finished]);
    assert.deepEqual(endedRuns({ runs: [finished], before: [finished], first: false }, []), []);
    assert.deepEqual(endedRuns({ runs: [going], before: [going], first: false }, []), []);
    assert.deepEqual(endedRuns({ runs: [], before: [going], first: false }, []), [], 'it was deleted');
    assert.deepEqual(endedRuns({ runs: [finished], before: [], first: false }, []), [], 'it was copied here');
  });

  it('omits a search for tests, which has its own view', () => {
    const search = { ...finished, kind: 'discover' as const };
    assert.deepEqual(endedRuns({ runs: [search], before: [{ ...going, kind: 'discover' }], first: false }, []), []);
    assert.deepEqual(endedRuns({ runs: [search], before: [], first: true }, [search.dir]), []);
  });

  it('returns runs that ended while no window was open, if a window started them', () => {
    assert.deepEqual(endedRuns({ runs: [finished], before: [], first: true }, [finished.dir]), [finished]);
    assert.deepEqual(endedRuns({ runs: [finished], before: [], first: true }, []), [], 'a script started it');
    assert.deepEqual(endedRuns({ runs: [going], before: [], first: true }, [going.dir]), []);
  });

  describe('claimEnd', () => {
    let notes: string;
    before(async () => {
      notes = path.join(await mkdtemp(path.join(tmpdir(), 'unmask-ends-')), 'notified');
    });
    after(() => rm(path.dirname(notes), { recursive: true, force: true }));

    it('succeeds in one window only', async () => {
      const claims = await Promise.all(
        Array.from({ length: 8 }, () => claimEnd(notes, 'a', '2026-01-01T00:00:00.000Z')),
      );
      assert.equal(claims.filter(Boolean).length, 1);
    });

    it('succeeds again if the run was resumed and ended again', async () => {
      assert.equal(await claimEnd(notes, 'a', '2026-01-01T00:10:00.000Z'), true);
    });

    it('deletes old notes', async () => {
      const old = path.join(notes, 'old.20250101');
      await writeFile(old, '');
      const before = Date.now() / 1000 - 8 * 24 * 3600;
      await utimes(old, before, before);
      await claimEnd(notes, 'b', '2026-01-01T00:00:00.000Z');
      assert.equal((await readdir(notes)).length, 3);
    });
  });
});
