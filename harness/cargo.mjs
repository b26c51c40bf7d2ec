// Reads the output of `cargo test` with `--format json`: one event per line, for each test and each test executable.

import { eventOf } from './common.mjs';

/** @type {import('./command.mjs').Read} */
export async function read(lines) {
  /** @type {{ name: string, passed: boolean }[]} */
  const results = [];
  let open = 0;
  let suites = 0;
  for await (const line of lines) {
    const { type, event, name = '' } = eventOf(line);
    if (type === 'suite' && event === 'started') {
      open++;
      suites++;
    } else if (type === 'suite') open--;
    else if (type === 'test' && event !== 'started' && event !== 'timeout')
      results.push({ name, passed: event === 'ok' });
  }
  return { results, problem: suites > 0 && open === 0 ? null : 'no program of tests came to its end' };
}
