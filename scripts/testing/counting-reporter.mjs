/**
 * A node:test reporter that prints the result of a file as one line of JSON: `{passed, failed, skipped: [name]}`. It
 * prints only at the end, so there is no result for a file that crashed.
 * @param {AsyncIterable<{ type: string, data: any }>} events
 */
export default async function* countingReporter(events) {
  let passed = 0;
  let failed = 0;
  /** @type {string[]} */
  const skipped = [];
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const isSuite = data.details?.type === 'suite';
    if (data.skip !== undefined || data.todo !== undefined) {
      const reason = [data.skip, data.todo].find((text) => typeof text === 'string' && text !== '');
      if (!isSuite || type === 'test:fail') skipped.push(reason ? `${data.name} (${reason})` : data.name);
    } else if (type === 'test:fail') {
      // A parent that fails only because of its subtests is not counted: they are counted already.
      if (data.details?.error?.failureType !== 'subtestsFailed') failed++;
    } else if (!isSuite) passed++;
  }
  yield JSON.stringify({ passed, failed, skipped });
}
