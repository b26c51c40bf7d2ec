import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { it } from 'node:test';
import { packageRoot } from '../../src/platform/package-root.ts';
import { pythonOnPath } from '../../src/workspace/toolchains.ts';

/** Evaluates comparisons as the tests of the task `code` do, on values of a program. Nothing here is untrusted. */
function compared(program: string, comparisons: readonly string[]): boolean[] {
  const harness = path.join(packageRoot(), 'harness', 'python.py');
  const script = `
import ast, json
source = open(${JSON.stringify(harness)}).read().rsplit("main()", 1)[0]
own = {}
exec(source, own)
same = own["exact_comparison"]()
values = {"__same__": same}
exec(${JSON.stringify(program)}, values)
def value(text):
    tree = own["ExactComparisons"]().visit(ast.parse(text, mode="eval"))
    return bool(eval(compile(ast.fix_missing_locations(tree), "t", "eval"), values))
print(json.dumps([value(text) for text in ${JSON.stringify(comparisons)}]))`;
  const { stdout, stderr } = spawnSync(pythonOnPath()!, ['-c', script], { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as boolean[];
}

const program = `
from collections import Counter, OrderedDict, defaultdict
from fractions import Fraction
from decimal import Decimal
class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = int.__hash__
class AnyList(list):
    def __eq__(self, other): return True
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, other): return self.x == other.x
`;

it('values of ordinary types and of classes of a problem compare as in Python', () => {
  const equal = [
    '1 == 1.0',
    'True == 1',
    '[1, (2, "a")] == [1, (2, "a")]',
    '{"a": [1]} == {"a": [1]}',
    '{1, 2} == {2, 1}',
    'Counter("aab") == {"a": 2, "b": 1}',
    'OrderedDict(a=1) == {"a": 1}',
    'Fraction(1, 2) == 0.5',
    'Decimal(2) == 2',
    'Point(1) == Point(1)',
    '[Point(1)] == [Point(1)]',
    '{"p": Point(1)} == {"p": Point(1)}',
    '1 != 2',
    '[1] != [2]',
    'None == None',
    '1 < 2',
    '1 in [1, 2]',
    '[] == []',
    'range(3) == range(3)',
  ];
  assert.deepEqual(
    compared(program, equal).flatMap((value, index) => (value ? [] : [equal[index]])),
    [],
  );
  const different = [
    '1 == 2',
    '[1] == (1,)',
    '[1] == [1, 2]',
    '{"a": 1} == {"a": 2}',
    '{"a": 1} == {"b": 1}',
    '1 != 1',
    '"1" == 1',
  ];
  assert.deepEqual(
    compared(program, different).flatMap((value, index) => (value ? [different[index]] : [])),
    [],
  );
});

it('a class of the candidate equals no number, text or collection', () => {
  const forged = [
    'Any(0) == 2',
    '2 == Any(0)',
    '[Any(0)] == [2]',
    '{"a": Any(0)} == {"a": 2}',
    '{Any(0): 1} == {2: 1}',
    '(1, [Any(0)]) == (1, [2])',
    'AnyList() == [1, 2]',
    '{Any(2)} == {2}',
    'Any(0) == None',
  ];
  assert.deepEqual(
    compared(program, forged).flatMap((value, index) => (value ? [forged[index]] : [])),
    [],
  );
  assert.deepEqual(compared(program, ['Any(0) != 2']), [true]);
});
