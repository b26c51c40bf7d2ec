import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { it } from 'node:test';
import { objectives } from '../../src/tuning/objectives/registry.ts';

const read = (file: string) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');

it('docs/adding-a-method.md quotes the current code of the files that it names', async () => {
  const text = await read('docs/adding-a-method.md');
  const quotes = [...text.matchAll(/^`(\S+\.ts)`\n\n```ts\n([\s\S]*?)```$/gm)];
  assert.ok(quotes.length >= 6);
  assert.equal(text.match(/```ts/g)!.length, quotes.length, 'every block names its file');
  for (const [, file, code] of quotes) assert.ok((await read(file!)).includes(code!), `${file}:\n${code}`);
});

it('every method has its own file, whose head cites its paper', async () => {
  const shared: Readonly<Record<string, string>> = { 'egspo-sa': 'egspo' };
  for (const { name, paper } of objectives) {
    const file = name.startsWith('spg-') ? 'spg' : (shared[name] ?? name);
    const head = (await read(`src/tuning/objectives/${file}.ts`)).split('*/')[0]!.replace(/\n \* ?/g, ' ');
    assert.ok(head.includes(paper), `${file}.ts cites ${paper}`);
    assert.match(head, /left out|Left out|Differs|Uncertain|no importance ratio/, `${file}.ts lists the differences`);
  }
});

it('docs/methods.md lists every objective with its paper', async () => {
  const text = await read('docs/methods.md');
  for (const { name, paper } of objectives) {
    assert.match(text, new RegExp(`^\\| \`${name}\` \\|`, 'm'));
    assert.ok(text.includes(paper), paper);
  }
});
