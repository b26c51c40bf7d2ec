import { writeFileSync } from 'node:fs';
import path from 'node:path';
import Mocha from 'mocha';
import { type SuiteResult, suites } from './suites.ts';

/** VS Code calls this in its extension host. The results are written to `results.json` next to the bundle. */
export function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', timeout: 120_000 });
  for (const name of suites) mocha.addFile(path.join(__dirname, `${name}.cjs`));
  const results: SuiteResult[] = [];
  return new Promise((resolve, reject) => {
    const runner = mocha.run((failures) => {
      writeFileSync(path.join(__dirname, 'results.json'), JSON.stringify(results));
      if (failures > 0) reject(new Error(`${failures} of the tests failed`));
      else resolve();
    });
    const note = (state: SuiteResult['state']) => (test: Mocha.Runnable, error?: Error) => {
      results.push({ name: test.fullTitle(), state, error: error ? (error.stack ?? String(error)) : null });
    };
    runner.on('pass', note('passed'));
    runner.on('pending', note('pending'));
    // Hooks that fail are included as well.
    runner.on('fail', note('failed'));
  });
}
