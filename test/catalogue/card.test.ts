import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { readCard } from '../../src/catalogue/card.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-card-'));
});
after(() => rm(folder, { recursive: true }));

const read = async (text: string) => {
  await writeFile(path.join(folder, 'README.md'), text);
  const { title, licence } = await readCard(folder);
  return [title, licence];
};

it('reads licence and title of a card', async () => {
  assert.deepEqual(await read('---\nlicense: apache-2.0\nlanguage:\n- en\n---\n\n# A model\n\n# Another\n'), [
    'A model',
    'apache-2.0',
  ]);
  assert.deepEqual(await read('---\r\nlicense: mit\r\n---\r\n# Windows\r\n'), ['Windows', 'mit']);
  assert.deepEqual(await read('---\nlicense: other\nlicense_name: my-own\n---\n'), ['', 'my-own']);
  assert.deepEqual(await read('---\nlicense: [mit, apache-2.0]\n---\n'), ['', 'mit, apache-2.0']);
});

it('returns nothing for a card without a header, or with a broken one', async () => {
  for (const text of [
    '',
    '# Only text',
    '---\nlicense: [\n---\n',
    '---\nlicense: 5\n---\n',
    '---\n- a\n---\n',
    'x\n---\nlicense: mit\n---\n',
  ])
    assert.equal((await read(text))[1], null, text);
  // A few lines that expand to billions.
  const bomb = ['a: &a [x,x,x,x]', 'b: &b [*a,*a,*a,*a]', 'c: &c [*b,*b,*b,*b]', 'license: *c'].join('\n');
  assert.deepEqual(await read(`---\n${bomb}\n---\n`), ['', null]);
  await rm(path.join(folder, 'README.md'));
  assert.deepEqual(await readCard(folder), { text: '', title: '', licence: null });
});
