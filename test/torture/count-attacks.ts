import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runTestFile } from '../../scripts/testing/run-test-file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The test files with attacks, and the names of the tests that are attacks; the others are about honest code. */
const suites: readonly { readonly file: string; readonly attacks: RegExp }[] = [
  { file: 'test/sandbox/machine-attacks.test.ts', attacks: /./ },
  { file: 'test/sandbox/verdict-attacks.test.ts', attacks: /^(?!may |is reported|is not cached|states )/ },
  {
    file: 'test/sandbox/isolation.test.ts',
    attacks: /inspector|no folder|solitary|hides|find nothing|no candidate affects/,
  },
  { file: 'test/sandbox/python-comparisons.test.ts', attacks: /equals no number/ },
  { file: 'test/sandbox/untrusted-workspace.test.ts', attacks: /does not|cannot|none of them/ },
  { file: 'test/sandbox/workspace.test.ts', attacks: /cheating/ },
  { file: 'test/sandbox/other-runners.test.ts', attacks: /cheating|is not run/ },
];

export interface AttackFigures {
  /** Attacks that did not succeed. */
  readonly held: number;
  /** Attacks that docs/security.md lists as possible. */
  readonly listed: number;
  /** Attacks that succeeded although they must not. */
  readonly failed: readonly string[];
  /** Tests that this machine cannot run, with the reason. */
  readonly skipped: readonly string[];
}

/** Runs all attacks of the test suite, and counts those that docs/security.md lists as possible. */
export async function countAttacks(log: (line: string) => void): Promise<AttackFigures> {
  const home = await mkdtemp(path.join(tmpdir(), 'unmask-attacks-'));
  let held = 0;
  const failed: string[] = [];
  const skipped: string[] = [];
  try {
    for (const { file, attacks } of suites) {
      const outcome = await runTestFile(root, file, home);
      // Lines of the reporter `spec`: a mark, the name, and the time of a test.
      const named = (mark: string) =>
        [...outcome.details.matchAll(new RegExp(`^\\s*${mark} (.+) \\([\\d.]+ms\\)`, 'gm'))]
          .map(([, name]) => name as string)
          .filter((name) => attacks.test(name) && !/^a (hostile|candidate that|workspace)/.test(name));
      const here = named('✔').length;
      held += here;
      if (outcome.failed > 0) failed.push(...new Set([file, ...named('✖')]));
      skipped.push(...outcome.skipped.map(String));
      log(`${file}: ${here} attacks held, ${outcome.failed} tests failed`);
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  return { held, listed: await listedAttacks(), failed, skipped };
}

/** The number of items in the list of possible forgeries. */
async function listedAttacks(): Promise<number> {
  const text = await readFile(path.join(root, 'docs', 'security.md'), 'utf8');
  const section = text.split('### What could still be forged')[1]?.split('\n### ')[0] ?? '';
  return section.match(/^- /gm)?.length ?? 0;
}
