import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { piecesOf, trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { Random } from '../../src/platform/random.ts';
import { autoregressiveCodeRecipe, fromTheLeft } from '../../src/training/code/autoregressive-recipe.ts';
import { codeCurriculum, codeRecipe } from '../../src/training/code/code-recipe.ts';
import type { SourceFile } from '../../src/training/code/corpus.ts';
import { GapExamples } from '../../src/training/code/gap-examples.ts';
import { drawGap, type GapKind, type GapStart, gapKinds } from '../../src/training/code/gaps.ts';
import { infillingItems } from '../../src/training/code/infilling-items.ts';

const text = `export class Stack {
  #items = [];

  push(item) {
    this.#items.push(item);
    return this.#items.length;
  }

  pop() {
    if (this.#items.length === 0) {
      throw new Error('The stack is empty.');
    }
    return this.#items.pop();
  }
}
`.repeat(4);
const file = (name: string): SourceFile => ({ package: 'p', path: name, text });

describe('gaps', () => {
  const drawn = (kind: GapKind, at: GapStart = 'character') => {
    const random = new Random(1, kind);
    const gaps = Array.from({ length: 400 }, () => drawGap(text, kind, at, random)).filter((gap) => gap !== null);
    assert.ok(gaps.length > 50, kind);
    return gaps.map(({ start, end }) => ({ start, end, middle: text.slice(start, end) }));
  };
  it('of a line reach from any position after the indentation to the end', () => {
    for (const { start, end, middle } of drawn('line')) {
      assert.match(middle, /^[^\n]+$/);
      assert.equal(text[end], '\n');
      assert.notEqual(text.slice(text.lastIndexOf('\n', start - 1) + 1, start + 1).trim(), '');
    }
  });
  it('of lines end at the end of a later line', () => {
    const middles = drawn('lines');
    assert.ok(middles.every(({ end }) => text[end] === '\n'));
    assert.ok(middles.some(({ middle }) => middle.split('\n').length > 2));
  });
  it('of a block are the lines indented further than the line that opens it', () => {
    for (const { start, middle } of drawn('block')) {
      const line = text.slice(text.lastIndexOf('\n', start - 1) + 1, start);
      assert.match(line, /[{([:]$/);
      const depth = /^ */.exec(line)![0].length;
      for (const inside of middle.split('\n').slice(1))
        if (inside.trim() !== '') assert.ok(/^ */.exec(inside)![0].length > depth, JSON.stringify(middle));
    }
  });
  it('can be restricted to the start of a pre-token', () => {
    const middles = drawn('line', 'piece');
    for (const { start, end, middle } of middles) {
      const begin = text.lastIndexOf('\n', start - 1) + 1;
      const indentation = /^ */.exec(text.slice(begin))![0].length;
      const pieces = piecesOf(text.slice(begin + indentation, end));
      const starts = pieces.map((_, index) => begin + indentation + pieces.slice(0, index).join('').length);
      assert.ok(starts.includes(start), JSON.stringify(middle));
    }
    assert.ok(new Set(middles.map(({ middle }) => middle)).size > 15);
  });
  it('have at least one character and fit into a canvas', () => {
    for (const kind of gapKinds)
      for (const { middle } of drawn(kind)) assert.ok(middle.length >= 1 && middle.length <= 200);
  });
});

describe('examples', () => {
  const tokenizer = new Tokenizer(trainBytePairs([text], 400));
  const examples = new GapExamples([file('a.js'), file('b.js')], tokenizer, 3);
  const decode = (tokens: readonly number[]) => tokenizer.decode(tokens);
  it('have the prefix, the middle padded to the canvas, and the suffix, in the order of the text', () => {
    const random = new Random(2, 'examples');
    let withoutSuffix = 0;
    const spare = new Map<number, number>();
    for (let round = 0; round < 200; round++) {
      const { tokens, canvases } = examples.gap(96, random);
      const all = Array.from(tokens);
      assert.ok(all.length <= 96);
      assert.equal(canvases.length, 1);
      const { start, end, importance } = canvases[0]!;
      const canvas = all.slice(start, end);
      assert.ok([8, 16, 32, 64].includes(canvas.length), `${canvas.length}`);
      const length = canvas.indexOf(3);
      const least = [8, 16, 32, 64].find((width) => width > length)!;
      if (least === 8) spare.set(canvas.length, (spare.get(canvas.length) ?? 0) + 1);
      assert.ok(length > 0 && canvas.slice(length).every((token) => token === 3));
      assert.deepEqual(
        Array.from(importance!),
        canvas.map((_, position) => (position <= length ? 1 : 0.1)),
      );
      const whole = decode(all.slice(0, start)) + decode(canvas.slice(0, length)) + decode(all.slice(end));
      assert.ok(text.includes(whole), whole);
      if (end === all.length) withoutSuffix++;
    }
    assert.ok(withoutSuffix > 10 && withoutSuffix < 80);
    // Two of three canvases are as narrow as possible, two of nine are twice as wide, and so on.
    const counts = [8, 16, 32, 64].map((width) => spare.get(width) ?? 0);
    const short = counts.reduce((sum, count) => sum + count, 0);
    for (const [index, share] of [2 / 3, 2 / 9, 2 / 27, 1 / 27].entries()) {
      const deviation = Math.sqrt((share * (1 - share)) / short);
      assert.ok(Math.abs(counts[index]! / short - share) < 4 * deviation, counts.join());
    }
  });
  it('with several gaps are the text, with one or more end tokens after each middle', () => {
    const random = new Random(4, 'several');
    const counts = new Set<number>();
    for (let round = 0; round < 100; round++) {
      const { tokens, canvases } = examples.gaps(128, random);
      const all = Array.from(tokens);
      assert.ok(all.length <= 128);
      counts.add(canvases.length);
      canvases.forEach(({ start, end }, index) => {
        const canvas = all.slice(start, end);
        const length = canvas.indexOf(3);
        assert.ok(length > 0 && canvas.slice(length).every((token) => token === 3));
        assert.ok(start > (canvases[index - 1]?.end ?? -1), 'there is context between any two');
      });
      const inCanvas = (position: number) => canvases.some(({ start, end }) => position >= start && position < end);
      assert.ok(all.every((token, position) => token !== 3 || inCanvas(position)));
      assert.ok(text.includes(decode(all.filter((token) => token !== 3))));
    }
    assert.ok(counts.has(1) && Math.max(...counts) >= 4, [...counts].join());
  });
  it('for an n-gram are middles: some context, the middle, its end', () => {
    const random = new Random(6, 'middles');
    for (let round = 0; round < 100; round++) {
      const tokens = examples.middle(5, -1, random);
      assert.equal(tokens.indexOf(3), tokens.length - 1);
      const written = tokens.slice(0, -1).filter((token) => token !== -1);
      assert.ok(tokens.length > 6 && text.includes(decode(written)), decode(written));
      assert.ok(tokens.slice(5).every((token) => token !== -1));
    }
  });
  it('of plain text consist of a canvas only', () => {
    const { tokens, canvases } = examples.text(64, new Random(3, 'text'));
    assert.deepEqual([tokens.length, canvases], [64, [{ start: 0, end: 64 }]]);
    assert.ok(text.includes(decode(Array.from(tokens))));
  });
});

describe('the curriculum of code', () => {
  it('cycles through many gaps, single gaps, plain text and long texts reproducibly, and describes its data', async () => {
    const corpus = { training: [file('a.js')], validation: [file('held-out.js')] };
    const { examples, data, tokenizer } = await codeCurriculum(corpus, { progress: () => undefined });
    assert.match(data.join(' '), /1 files \(.* for training/);
    const lengthsOf = (step: number) => examples(step, 4, new Random(1, step)).map((batch) => batch.length);
    assert.deepEqual([0, 1, 3, 7].map(lengthsOf), [[4], [8], [4], [2]]);
    assert.deepEqual(examples(1, 4, new Random(1)), examples(1, 4, new Random(1)));
    const { vocab } = (tokenizer.tokenizer as unknown as { model: { vocab: object } }).model;
    assert.ok(Object.keys(vocab).length <= 8192);
  });

  it('is evaluated on distinct gaps in held-out files, cycling through the kinds reproducibly', async () => {
    const broken = { package: 'p', path: 'broken.js', text: `${text}\n}}}` };
    const files = [file('a.js'), broken, { package: 'p', path: 'notes.md', text }];
    const items = await infillingItems(files, ['line', 'lines', 'span'], 30);
    assert.equal(items.length, 30);
    for (const { prefix, middle, suffix, language, errors } of items) {
      const whole = prefix + middle + suffix;
      assert.ok(whole === text ? errors === 0 : whole === broken.text && errors > 0);
      assert.equal(language, 'javascript');
    }
    assert.deepEqual(
      items.slice(0, 4).map(({ kind }) => kind),
      ['line', 'lines', 'span', 'line'],
    );
    assert.ok(items.filter(({ kind }) => kind === 'line').every(({ middle }) => !middle.includes('\n')));
    assert.deepEqual(await infillingItems(files, ['line', 'lines', 'span'], 30), items);
    const others = await infillingItems(files, ['line', 'lines', 'span'], 30, 1);
    assert.notDeepEqual(others, items);
    const few = { package: 'p', path: 'few.js', text: 'ab;\n' };
    assert.equal((await infillingItems([few], ['line'], 20)).length, 3, 'its line has three possible gaps');
  });

  it('is used by the autoregressive baseline as context, middle and one end', async () => {
    const rows = { tokens: [10, 11, 20, 21, 3, 3, 30, 31], canvases: [{ start: 2, end: 6 }] };
    assert.deepEqual(fromTheLeft(rows), {
      tokens: [10, 11, 2, 30, 31, 1, 20, 21, 3],
      canvases: [{ start: 1, end: 9 }],
    });
    // The same files, sizes and steps as the diffusion model's.
    const { autoregressive, name, description, modelName, prepare, ...shared } = autoregressiveCodeRecipe;
    const { name: _, description: __, modelName: ___, prepare: ____, ...own } = codeRecipe;
    assert.deepEqual([shared, autoregressive], [own, true]);
    assert.notEqual(name, codeRecipe.name);
  });
});
