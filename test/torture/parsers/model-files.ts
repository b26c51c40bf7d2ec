import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readCard } from '../../../src/catalogue/card.ts';
import { resolveModel } from '../../../src/catalogue/resolve-model.ts';
import { ChatTemplate } from '../../../src/model/chat-template.ts';
import { openCheckpoint } from '../../../src/model/checkpoint.ts';
import { readGgufCheckpoint } from '../../../src/model/gguf/checkpoint.ts';
import { GgufFile } from '../../../src/model/gguf/gguf-file.ts';
import { readSafetensors } from '../../../src/model/safetensors.ts';
import { Tokenizer } from '../../../src/model/tokenizer.ts';
import { writeTinyCheckpoint } from '../../model/tiny-model.ts';
import type { OutsideParser } from './outside-parser.ts';

const references = path.join(import.meta.dirname, '../../model/references');

/** Parsers of the files of model folders. */
export async function modelParsers(folder: string): Promise<OutsideParser[]> {
  const model = await writeTinyCheckpoint(path.join(folder, 'model'));
  const copy = path.join(folder, 'published');
  await cp(path.join(references, 'a2d-qwen3'), copy, { recursive: true });
  const weights = path.join(folder, 'weights.safetensors');
  const gguf = path.join(folder, 'model.gguf');
  const card = path.join(folder, 'card');
  await mkdir(card);
  const inCopy = async (name: string): Promise<OutsideParser> => {
    const file = path.join(copy, name);
    const whole = await readFile(file);
    return {
      name: `${name} of a model`,
      examples: [whole],
      async parse(input) {
        await writeFile(file, input);
        try {
          const { tokenizer } = await openCheckpoint(await resolveModel(copy));
          return tokenizer.decode(tokenizer.encode('def double(x): # 1\n  return 2 * x'));
        } finally {
          await writeFile(file, whole);
        }
      },
    };
  };
  return [
    {
      name: 'safetensors',
      examples: [await readFile(path.join(model, 'model.safetensors'))],
      async parse(input) {
        await writeFile(weights, input);
        return readSafetensors(weights);
      },
    },
    {
      name: 'GGUF',
      examples: [await readFile(path.join(references, 'gguf', 'qwen2.gguf'))],
      async parse(input) {
        await writeFile(gguf, input);
        return GgufFile.use(gguf, readGgufCheckpoint);
      },
    },
    await inCopy('config.json'),
    await inCopy('tokenizer.json'),
    await inCopy('tokenizer_config.json'),
    {
      name: 'chat template',
      examples: [
        "{% for message in messages %}<|{{ message['role'] }}|>{{ message.content | trim }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
        '{%- set ns = namespace(a=1) -%}{% macro f(x) %}[INST] {{ x }} [/INST]{% endmacro %}{{ f(messages[0].content) }}',
      ].map((text) => Buffer.from(text)),
      parse: (input) => ChatTemplate.of({ chat_template: input.toString('utf8'), eos_token: '</s>' })?.render('Hello'),
    },
    {
      name: 'model card',
      examples: [
        Buffer.from('---\nlicense: mit\ncode_languages: [python, java]\ntags:\n  - a\n---\n# A model\n\ntext\n'),
      ],
      async parse(input) {
        await writeFile(path.join(card, 'README.md'), input);
        return readCard(card);
      },
    },
    {
      name: 'tokenizer with random patterns',
      examples: [Buffer.from(JSON.stringify({ pattern: '\\s+|[a-z]+', replacement: 'x' }))],
      parse(input) {
        const { pattern, replacement } = fieldsOf(input);
        const split = { type: 'Split', pattern: { Regex: String(pattern) }, behavior: 'Isolated', invert: false };
        const replace = { type: 'Replace', pattern: { Regex: String(pattern) }, content: String(replacement) };
        return tokenizerOf(folder, { pre_tokenizer: split, normalizer: replace });
      },
    },
  ];
}

function fieldsOf(input: Buffer): { pattern?: unknown; replacement?: unknown } {
  try {
    const value: unknown = JSON.parse(input.toString('utf8'));
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return { pattern: input.toString('utf8') };
  }
}

/** Encodes a text with a byte-pair tokenizer that has these parts; through a folder, as models from outside are read. */
async function tokenizerOf(folder: string, parts: object): Promise<string> {
  const own = await mkdtemp(path.join(folder, 'tokenizer-'));
  try {
    const vocab = Object.fromEntries([...'abcdefgh'].map((letter, id) => [letter, id]));
    const tokenizer = {
      version: '1.0',
      added_tokens: [],
      post_processor: null,
      decoder: null,
      ...parts,
      model: { type: 'BPE', vocab, merges: [], unk_token: 'a' },
    };
    await writeFile(path.join(own, 'tokenizer.json'), JSON.stringify(tokenizer));
    await writeFile(path.join(own, 'tokenizer_config.json'), '{}');
    const read = await Tokenizer.read(own);
    return read.decode(read.encode('abc 12 def'));
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
