/** The benchmark of `unmask infill-eval`: its models, its methods and its gaps. */

import path from 'node:path';
import { bundledCodeModel } from '../catalogue/find-model.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { canvasWidth, completesCode } from '../diffusion/infill.ts';
import type { Engine } from '../engine/engine.ts';
import { AutoregressiveWriter } from '../infilling/autoregressive-model.ts';
import type { ComparedMethods, InfillingMethod, MeasureItem } from '../infilling/comparison.ts';
import { DiffusionLikelihood, modelCompleter, predictedTokens } from '../infilling/diffusion-infiller.ts';
import { type InfillingItem, type InfillingKind, infillingKinds, isSingleLine } from '../infilling/infilling.ts';
import { bitsFromTheLeft, type LeftToRightModel, leftToRightCompleter } from '../infilling/left-to-right.ts';
import { readCheckpoint } from '../model/checkpoint.ts';
import { isAutoregressive, maskToken } from '../model/config.ts';
import { fillsFromTheLeft } from '../model/fill-in-the-middle.ts';
import { LanguageModel } from '../model/language-model.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { count } from '../platform/amounts.ts';
import { contentDigest } from '../platform/content-digest.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import { completeOnce } from '../runtime/complete-once.ts';
import { codeNgram } from '../training/code/code-ngram.ts';
import { ngramsFolder, servingDecoding, sourcesFolder } from '../training/code/code-recipe.ts';
import { type Corpus, readCorpus, type SourceFile } from '../training/code/corpus.ts';
import { infillingItems } from '../training/code/infilling-items.ts';
import { readSources } from '../training/code/source-files.ts';
import { withoutSpace } from '../training/code/source-filter.ts';
import { type CommandContext, type EngineOptions, engineOf } from './command.ts';
import type { ShardOptions } from './shard-options.ts';

export interface InfillEvalOptions extends EngineOptions, ShardOptions {
  readonly model: string;
  readonly autoregressive?: string;
  readonly files?: string;
  readonly workspace?: string;
  readonly peer?: string;
  readonly peerMode: string;
  readonly sendCodeTo?: string;
  readonly ngramFiles?: string;
  readonly kinds: string;
  readonly lengthGiven?: boolean;
  readonly brief?: boolean;
  readonly items: number;
  readonly seed: number;
}

/** The models and gaps of a measurement. */
export interface Benchmark {
  readonly engine: Engine;
  readonly methods: ComparedMethods<InfillingMethod>;
  readonly measured: MeasureItem;
  readonly kinds: readonly { readonly kind: InfillingKind; readonly items: readonly InfillingItem[] }[];
  /** Digests of everything that the results depend on in addition to the options. */
  readonly digests: Readonly<Record<string, string | null>>;
  dispose(): Promise<void>;
}

/** Loads the models, counts the n-gram and draws the gaps. */
export async function prepareBenchmark(
  options: InfillEvalOptions,
  { signal, progress }: CommandContext,
): Promise<Benchmark> {
  const names = parseKinds(options.kinds);
  const resolved = await resolveModel(options.model);
  if (!completesCode(resolved.config))
    throw new UserError(
      `${options.model} was not trained to fill gaps by denoising; choose a model that was, such as ${bundledCodeModel}.`,
    );
  const checkpoint = await readCheckpoint(resolved);
  const baseline = options.autoregressive === undefined ? null : await autoregressiveModel(options.autoregressive);
  const autoregressive = baseline && (await readCheckpoint(baseline));
  // A published model has its own tokens and none that ends a middle, so its bits are not measured.
  const hasBits = autoregressive !== null && fillsFromTheLeft(autoregressive.config);
  if (autoregressive && hasBits && !isSameTokenizer(autoregressive.tokenizer, checkpoint.tokenizer))
    throw new UserError(
      `${options.autoregressive} has another tokenizer than ${options.model}, so their bits are not of the same tokens; give a baseline that was trained on the same corpus.`,
    );
  const { measured: files, counted } = await sources(options, { signal, progress });
  const engine = await engineOf(options);
  const model = await LanguageModel.load(engine, checkpoint);
  const other = autoregressive && (await LanguageModel.load(engine, autoregressive));
  const dispose = async () => {
    await model.dispose();
    await other?.dispose();
  };
  try {
    const { eom_token_id: eom } = model.config;
    const mask = maskToken(model.config);
    const ngram = await codeNgram(
      counted,
      model.tokenizer,
      { eom: eom as number, mask },
      { cache: ngramsFolder(), progress },
    );
    const writer = other && new AutoregressiveWriter(other, servingDecoding.contextTokens);
    const methods = {
      own: ownMethods(model, path.basename(options.model), options),
      baselines: [
        fromTheLeft('n-gram', ngram, model),
        ...(writer ? [fromTheLeft('autoregressive', writer, model, hasBits)] : []),
      ],
    };
    const kinds: { kind: InfillingKind; items: InfillingItem[] }[] = [];
    for (const kind of names) {
      const items = await infillingItems(files, [kind], options.items, options.seed);
      assertUsable(kind, items, model.tokenizer);
      kinds.push({ kind, items });
    }
    const digests = {
      weights_digest: await resolved.digest(),
      autoregressive_digest: baseline && (await baseline.digest()),
      gaps_digest: contentDigest(JSON.stringify(kinds, (name, value) => (name === 'file' ? undefined : value))),
      ngram_digest: contentDigest(JSON.stringify(counted.map(({ text }) => contentDigest(text)))),
    };
    return { engine, methods, measured: measuredBy(model), kinds, digests, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

function parseKinds(names: string): InfillingKind[] {
  return names.split(',').map((name) => {
    const kind = infillingKinds.find((known) => known === name.trim());
    if (!kind)
      throw new UsageError(
        `--kinds: there is no kind ${name.trim() || 'without a name'}; the kinds are ${infillingKinds.join(', ')}.`,
      );
    return kind;
  });
}

async function autoregressiveModel(name: string) {
  const resolved = await resolveModel(name);
  if (!isAutoregressive(resolved.config))
    throw new UserError(
      `${name} is not an autoregressive model; add one, or train one with \`unmask pretrain --recipe code-autoregressive\`.`,
    );
  return resolved;
}

const isSameTokenizer = (one: Tokenizer, other: Tokenizer): boolean =>
  JSON.stringify(one.files.tokenizer) === JSON.stringify(other.files.tokenizer);

/** The files in which gaps are filled, and the files that the n-gram counts. No text is in both. */
async function sources({ files, ngramFiles }: InfillEvalOptions, hooks: Pick<CommandContext, 'signal' | 'progress'>) {
  let corpus: Promise<Corpus> | undefined;
  const listed = () => {
    corpus ??= readCorpus(sourcesFolder(), hooks);
    return corpus;
  };
  const measured = files === undefined ? (await listed()).validation : await readSources(files);
  const all = ngramFiles === undefined ? (await listed()).training : await readSources(ngramFiles);
  const known = new Set(measured.map(({ text }) => withoutSpace(text)));
  const counted = all.filter(({ text }) => !known.has(withoutSpace(text)));
  if (counted.length === 0)
    throw new UsageError(
      'All files of --ngram-files are among those with gaps, so nothing is left to count; give other files.',
    );
  if (counted.length < all.length)
    hooks.progress(
      `Not counted for the n-gram, because they contain gaps: ${count(all.length - counted.length, 'file')}`,
    );
  return { measured, counted } satisfies Record<string, readonly SourceFile[]>;
}

/** The model as the editor decodes; unless `brief`, also decoded one token at a time, and with the editor's rules of what to show. */
function ownMethods(
  model: LanguageModel,
  name: string,
  { brief = false, lengthGiven = false }: InfillEvalOptions,
): InfillingMethod[] {
  const likelihood = new DiffusionLikelihood(model, servingDecoding.contextTokens);
  const served: InfillingMethod = {
    name,
    complete: modelCompleter(model, servingDecoding),
    answers: 'several',
    likelihood: { bits: (item) => likelihood.bound(item), are: 'bound' },
  };
  const withLengthGiven: InfillingMethod = {
    name: `${name}, length given`,
    complete: modelCompleter(model, { ...servingDecoding, lengthGiven }),
    answers: 'several',
  };
  return [
    served,
    ...(model.config.attention === 'causal-context' ? otherDecoding(model, name, brief) : []),
    ...(brief ? [] : otherWays(model, name, likelihood)),
    ...(lengthGiven ? [withLengthGiven] : []),
  ];
}

/**
 * A converted model decoded in the way that is not its own (`gap_decoding`); unless `brief`, also token by token, whose text drafts
 * must not change.
 */
function otherDecoding(model: LanguageModel, name: string, brief: boolean): InfillingMethod[] {
  const decoding = (model.generation.gap_decoding ?? 'denoise') === 'denoise' ? 'drafts' : 'denoise';
  const other: InfillingMethod = {
    name: `${name}, ${decoding === 'drafts' ? 'with drafts' : 'by denoising'}`,
    complete: modelCompleter(model, { ...servingDecoding, decoding }),
    answers: 'several',
  };
  if (brief) return [other];
  const writer = new AutoregressiveWriter(model, servingDecoding.contextTokens);
  return [other, fromTheLeft(`${name}, autoregressive`, writer, model, false)];
}

function otherWays(model: LanguageModel, name: string, likelihood: DiffusionLikelihood): InfillingMethod[] {
  const greedy = { ...servingDecoding, threshold: 1, alternatives: 1 };
  return [
    { name: `${name}, one token a step`, complete: modelCompleter(model, greedy), answers: 'one' },
    {
      name: `${name}, from the left`,
      complete: modelCompleter(model, { ...greedy, block: 1 }),
      answers: 'one',
      likelihood: { bits: (item) => likelihood.fromTheLeft(item), are: 'exact' },
    },
    {
      name: `${name}, shown in the editor`,
      complete: async (item) => {
        const { alternative } = await completeOnce(model, item, item.language, { seed: 0 });
        return [alternative.discardedBy === null ? alternative.text : ''];
      },
      answers: 'one',
    },
  ];
}

function fromTheLeft(
  name: string,
  writer: LeftToRightModel,
  { generation }: LanguageModel,
  hasBits = true,
): InfillingMethod {
  const filler: InfillingMethod = { name, complete: leftToRightCompleter(writer, generation), answers: 'several' };
  if (!hasBits) return filler;
  return {
    ...filler,
    likelihood: {
      are: 'exact',
      async bits(item) {
        const { prefix, tokens } = predictedTokens(writer.tokenizer, item);
        const gap = await writer.read({ prefix, suffix: item.suffix }, canvasWidth(generation, isSingleLine(item)));
        try {
          return await bitsFromTheLeft(gap.next, [...tokens, writer.end]);
        } finally {
          gap.dispose();
        }
      },
    },
  };
}

/** A middle that is longer than the model's canvas has no probability under the model. */
const measuredBy =
  ({ tokenizer, generation }: LanguageModel): MeasureItem =>
  (item) => {
    const { tokens, characters } = predictedTokens(tokenizer, item);
    return { fits: tokens.length < canvasWidth(generation, isSingleLine(item)), characters };
  };

function assertUsable(kind: InfillingKind, items: readonly InfillingItem[], tokenizer: Tokenizer): void {
  if (items.length < 2)
    throw new UserError(`The files hold fewer than two gaps of the kind ${kind}; give a folder with more source code.`);
  const lost = items.find(({ middle }) => tokenizer.dropsRowsOf(middle));
  if (lost)
    throw new UserError(
      `The model's tokenizer cannot write ${JSON.stringify(lost.middle)}, so its bits say nothing; choose a model of code.`,
    );
}
