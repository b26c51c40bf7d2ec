// Reads the output of `go test -json`: one event per line, for each test and, without a test name, for its package.

import { eventOf } from './common.mjs';

/** @type {import('./command.mjs').Read} */
export async function read(lines) {
  /** @type {Map<string, boolean>} */
  const ended = new Map();
  const open = new Set();
  let packages = 0;
  for await (const line of lines) {
    const { Action: action, Test: test, Package: of } = eventOf(line);
    if (test === undefined) {
      if (action === 'start' || action === 'output') open.add(of);
      if (action !== 'pass' && action !== 'fail' && action !== 'skip') continue;
      open.delete(of);
      packages++;
    } else if (action === 'pass' || action === 'fail' || action === 'skip') ended.set(test, action === 'pass');
    else if (action === 'run') open.add(of);
  }
  // A test with subtests is not reported itself, unless it fails although all of its subtests pass.
  const results = [...ended].flatMap(([name, passed]) => {
    const own = [...ended].filter(([other]) => other.startsWith(`${name}/`));
    const isWhole = own.length > 0 && (passed || own.some(([, theirs]) => !theirs));
    return isWhole ? [] : [{ name: name.replaceAll('/', ' > '), passed }];
  });
  return { results, problem: packages > 0 && open.size === 0 ? null : 'no package was tested to its end' };
}
