// Reads output in TAP, the Test Anything Protocol.

/** @typedef {{ depth: number, name: string, passed: boolean }} Result */

/** @type {import('./command.mjs').Read} */
export async function read(lines) {
  /** @type {Result[]} */
  let results = [];
  /** @type {number | null} */
  let planned = null;
  let top = 0;
  for await (const line of lines) {
    const plan = /^1\.\.(\d+)/.exec(line);
    if (plan) planned = Number(plan[1]);
    if (line.startsWith('Bail out!')) planned = -1;
    const found = /^( *)(not )?ok\b(?: +\d+)?(?: +-)? *(.*?)(?:\s+#\s*(skip|todo)\b.*)?$/i.exec(line);
    if (!found) continue;
    const [, indentation = '', not, name = '', directive] = found;
    const depth = Math.floor(indentation.length / 4);
    if (depth === 0) top++;
    results = withTest(results, { depth, name, passed: not === undefined && directive === undefined });
  }
  const problem = `${top} tests were reported where the plan has ${planned ?? 'no number of them'}`;
  return { results, problem: planned === top ? null : problem };
}

/**
 * Adds a test that follows its subtests. The subtests get its name as a prefix. The test itself is added only if it has no
 * subtests, or fails although all of them pass.
 *
 * @param {readonly Result[]} results
 * @param {Result} test
 */
function withTest(results, test) {
  let from = results.length;
  while (from > 0 && /** @type {Result} */ (results[from - 1]).depth > test.depth) from--;
  const own = results
    .slice(from)
    .map(({ name, passed }) => ({ depth: test.depth, name: `${test.name} > ${name}`, passed }));
  const isWhole = own.length > 0 && (test.passed || own.some(({ passed }) => !passed));
  return [...results.slice(0, from), ...own, ...(isWhole ? [] : [test])];
}
