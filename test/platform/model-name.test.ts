import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isInstalledName, parseHubId } from '../../src/platform/model-name.ts';

it('parses the id of a model on a hub, with and without a folder and a revision', () => {
  assert.deepEqual(parseHubId('GSAI-ML/LLaDA-8B-Base'), {
    id: 'GSAI-ML/LLaDA-8B-Base',
    subfolder: null,
    revision: null,
  });
  assert.deepEqual(parseHubId(' a/b@v1.0 '), { id: 'a/b', subfolder: null, revision: 'v1.0' });
  assert.deepEqual(parseHubId('a/b@refs/pr/3'), { id: 'a/b', subfolder: null, revision: 'refs/pr/3' });
  assert.deepEqual(parseHubId('a/b/c/d@v1'), { id: 'a/b', subfolder: 'c/d', revision: 'v1' });
});

it('rejects invalid ids and ids that lead out of the folder', () => {
  const ids = [
    '',
    'a',
    'a/',
    '/a',
    'a/b/',
    'a/b//c',
    'a/b/../c',
    '../b',
    'a/..',
    'a/.b',
    'a b/c',
    'COM1/x',
    'a/aux.bin',
    'a/b.',
    'a\\b/c',
    `a/${'b'.repeat(101)}`,
  ];
  for (const id of ids) assert.throws(() => parseHubId(id), { name: 'UsageError', message: /is not a model id/ }, id);
  for (const revision of ['', '..', 'a/../b', '/a', 'a/', 'a//b', '-x', 'a b', 'a?b', 'a#b'])
    assert.throws(() => parseHubId(`a/b@${revision}`), { name: 'UsageError', message: /is not a revision/ }, revision);
});

it('decides which names an installed model can have', () => {
  for (const name of ['mine', 'tiny-org/tiny-model']) assert.ok(isInstalledName(name), name);
  for (const name of ['.adding', 'a/b/c', 'a/', '..', 'a@b', '']) assert.ok(!isInstalledName(name), name);
});
