import type { UnitTest } from './row.ts';

/**
 * Whether a completion equals the text of a gap. White space does not count, and a completion may go on: as in
 * CrossCodeEval's harness for base models, as many lines of it are compared as the text has, blank ones not counted.
 */
export function sameText(code: string, target: string): boolean {
  const lines = (text: string) =>
    text
      .split('\n')
      .map((line) => line.replace(/\s+/g, ''))
      .filter((line) => line !== '');
  const expected = lines(target);
  return lines(code).slice(0, expected.length).join('\n') === expected.join('\n');
}

/**
 * Python tests of a program, in the variable `program`, that reads standard input: one test per case, passed if the words
 * that the program prints are those of one of the outputs. White space does not count.
 */
export function outputTests(cases: readonly UnitTest[]): string {
  return `import io, json, sys
cases = json.loads(${JSON.stringify(JSON.stringify(cases))})
def printed(given):
    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    before = sys.stdin, sys.stdout
    sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(given.encode())), out
    try:
        exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise
    finally:
        sys.stdin, sys.stdout = before
    return out.buffer.getvalue().decode().split()
def passes(case):
    words = printed(case["input"])
    assert any(words == one.split() for one in case["output"]), "printed " + " ".join(words)[:200]
${cases.map((_, index) => `def test_${index + 1}():\n    passes(cases[${index}])`).join('\n')}
`;
}
