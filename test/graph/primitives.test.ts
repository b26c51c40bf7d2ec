import assert from 'node:assert/strict';
import { it } from 'node:test';
import { primitives } from '../../src/graph/primitives.ts';
import { engines } from './engines.ts';
import { cases, checkPrimitives } from './primitive-cases.ts';

it('every primitive has cases', () => {
  assert.deepEqual(Object.keys(cases).sort(), Object.keys(primitives).sort());
  for (const [primitive, list] of Object.entries(cases)) assert.ok(list.length > 0, primitive);
});

for (const { label, open } of engines) checkPrimitives(label, open);
