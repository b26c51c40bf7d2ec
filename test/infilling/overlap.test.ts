import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withoutOverlap } from '../../src/infilling/overlap.ts';

describe('a text for a gap', () => {
  it('loses an end that follows the gap already, but no bracket that closes one of its own', () => {
    assert.equal(withoutOverlap('x, y);', ');\nmore'), 'x, y');
    assert.equal(withoutOverlap('f(x)', ')'), 'f(x)');
    assert.equal(withoutOverlap('value)', ')'), 'value');
    assert.equal(withoutOverlap("name'", "';"), 'name');
    assert.equal(withoutOverlap('a();', '\nb();'), 'a();');
    assert.equal(withoutOverlap('total', 'total;'), '');
  });

  it('loses punctuation that follows already, of any kind', () => {
    assert.equal(withoutOverlap('1 + 2;', ';\n'), '1 + 2');
    assert.equal(withoutOverlap('f(x);', ';\n'), 'f(x)');
    assert.equal(withoutOverlap('a,', ', b)'), 'a');
    assert.equal(withoutOverlap('string>', '>();'), 'string');
    assert.equal(withoutOverlap('Set<string>', '>();'), 'Set<string>');
  });
});
