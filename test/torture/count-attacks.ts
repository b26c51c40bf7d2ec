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
  { file: 'test/sandbox/forged-code.test.ts', attacks: /: (detected|listed)$/ },
  { file: 'test/sandbox/forged-results.test.ts', attacks: /: (held|detected|listed)$/ },
];

export interface AttackFigures {
  /** Attacks that did not succeed. */
  readonly held: number;
  /** Attacks that passed tests and were found out afterwards. */
  readonly detected: number;
  /** Kinds of attacks that docs/security.md lists as possible. */
  readonly listed: number;
  /** The rows of the table in docs/security.md: group of tests, attack and outcome. */
  readonly table: readonly string[];
  /** Attacks that succeeded although they must not. */
  readonly failed: readonly string[];
  /** Tests that this machine cannot run, with the reason. */
  readonly skipped: readonly string[];
}

/** Runs all attacks of the test suite, and counts those that docs/security.md lists as possible. */
export async function countAttacks(log: (line: string) => void): Promise<AttackFigures> {
  const home = await mkdtemp(path.join(tmpdir(), 'unmask-attacks-'));
  const attempts: Attempt[] = [];
  const failed: string[] = [];
  const skipped: string[] = [];
  try {
    for (const { file, attacks } of suites) {
      const outcome = await runTestFile(root, file, home);
      const tests = testsIn(outcome.details).filter(({ name }) => attacks.test(name));
      const passed = tests.filter((test) => test.passed);
      attempts.push(...passed.map(attemptOf));
      if (outcome.failed > 0) failed.push(file, ...tests.filter((test) => !test.passed).map(({ name }) => name));
      skipped.push(...outcome.skipped.map(String));
      log(`${file}: ${passed.length} attacks held or detected, ${outcome.failed} tests failed`);
    }
  } finally {
    await rm(home, { recursive: true, force: true });
  }
  const count = (what: string) => attempts.filter(({ outcome }) => outcome === what).length;
  const table = attempts.map(({ group, attack, outcome }) => `| ${attack} | ${group} | ${outcome} |`);
  return { held: count('held'), detected: count('detected'), listed: await listedAttacks(), table, failed, skipped };
}

interface Attempt {
  readonly group: string;
  readonly attack: string;
  readonly outcome: string;
}

/** A test whose name says no outcome asserts that the attack does not succeed. */
function attemptOf({ group, name }: { readonly group: string; readonly name: string }): Attempt {
  const [, attack = name, outcome = 'held'] = /^(.*): (held|detected|listed)$/.exec(name) ?? [];
  return { group: group.replace(/^forged results with /, ''), attack: attack.replaceAll('|', '\\|'), outcome };
}

/** The tests in the output of the reporter `spec`, each with the group around it. */
function testsIn(details: string): { group: string; name: string; passed: boolean }[] {
  let group = '';
  const tests: { group: string; name: string; passed: boolean }[] = [];
  for (const line of details.split('\n')) {
    group = /^▶ (.+?)( \([\d.]+ms\))?$/.exec(line)?.[1] ?? group;
    const [, mark, name] = /^\s*([✔✖]) (.+) \([\d.]+ms\)/.exec(line) ?? [];
    // A group has a line of its own at its end.
    if (mark !== undefined && name !== undefined && name !== group) tests.push({ group, name, passed: mark === '✔' });
  }
  return tests;
}

/** The number of items in the list of possible forgeries. */
async function listedAttacks(): Promise<number> {
  const text = await readFile(path.join(root, 'docs', 'security.md'), 'utf8');
  const section = text.split('### What could still be forged')[1]?.split('\n### ')[0] ?? '';
  return section.match(/^- /gm)?.length ?? 0;
}
