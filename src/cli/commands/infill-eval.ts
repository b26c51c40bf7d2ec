import path from 'node:path';
import { bundledCodeModel } from '../../catalogue/find-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { canvasWidth, completesCode } from '../../diffusion/infill.ts';
import { AutoregressiveWriter } from '../../infilling/autoregressive-model.ts';
import { compareInfilling, type InfillingMethod, type MeasureItem } from '../../infilling/comparison.ts';
import { DiffusionLikelihood, modelCompleter, predictedTokens } from '../../infilling/diffusion-infiller.ts';
import { type InfillingItem, type InfillingKind, infillingKinds, isSingleLine } from '../../infilling/infilling.ts';
import { bitsFromTheLeft, type LeftToRightModel, leftToRightCompleter } from '../../infilling/left-to-right.ts';
import { peerModes } from '../../infilling/peer.ts';
import { readCheckpoint } from '../../model/checkpoint.ts';
import { isAutoregressive, maskToken } from '../../model/config.ts';
import { fillsFromTheLeft } from '../../model/fill-in-the-middle.ts';
import { LanguageModel } from '../../model/language-model.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';
import { Interrupted, UsageError, UserError } from '../../platform/errors.ts';
import { completeOnce } from '../../runtime/complete-once.ts';
import { codeNgram } from '../../training/code/code-ngram.ts';
import { ngramsFolder, servingDecoding, sourcesFolder } from '../../training/code/code-recipe.ts';
import { type Corpus, readCorpus, type SourceFile } from '../../training/code/corpus.ts';
import { infillingItems } from '../../training/code/infilling-items.ts';
import { readSources } from '../../training/code/source-files.ts';
import { withoutSpace } from '../../training/code/source-filter.ts';
import {
  type AddCommand,
  type CommandContext,
  type EngineOptions,
  engineOf,
  wholeNumber,
  withEngine,
} from '../command.ts';
import { infillingTables, type KindComparison } from '../infilling-table.ts';
import { timedProgress } from '../timed-progress.ts';
import { workspaceEval } from '../workspace-eval.ts';

interface InfillEvalOptions extends EngineOptions {
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

export function addInfillEval(add: AddCommand): void {
  withEngine(
    add<InfillEvalOptions>(
      'infill-eval',
      'Measure how well a model fills gaps in code, compared with two baselines',
      infillEval,
    ),
  )
    .option('--model <model>', 'diffusion model: a name, a checkpoint folder or a run directory', bundledCodeModel)
    .option(
      '--autoregressive <model>',
      'autoregressive baseline: an installed model, or one trained with `pretrain --recipe code-autoregressive` (default: none)',
    )
    .option(
      '--files <folder>',
      'source files in which to fill gaps (default: the held-out packages of the code recipe)',
    )
    .option(
      '--workspace <folder>',
      "compare the model with copies from this workspace's own files, and with both, in ends of its lines",
    )
    .option('--peer <url>', 'with --workspace: also measure a server on this machine that speaks as llama.cpp does')
    .option(
      '--peer-mode <mode>',
      'how the server is asked: infill (/infill), suffix or prefix (/v1/completions with or without the text after the gap)',
      'infill',
    )
    .option('--send-code-to <host>', 'allow --peer to be on this other machine, which then gets parts of your code')
    .option(
      '--ngram-files <folder>',
      'source files for the n-gram baseline (default: the training packages of the code recipe)',
    )
    .option(
      '--kinds <names>',
      `kinds of gaps, separated by commas (${infillingKinds.join(', ')})`,
      infillingKinds.join(),
    )
    .option('--length-given', 'add a row for the model when it knows the length of the middle')
    .option('--brief', 'measure only the model and the baselines, without other decoding settings')
    .addOption(wholeNumber('--items <n>', 'gaps per kind', 2).default(100))
    .addOption(wholeNumber('--seed <seed>', 'seed for the positions of the gaps', 0).default(0));
}

/** Options that do not go together with `--workspace`. */
const withoutWorkspace = ['--files', '--ngram-files', '--autoregressive', '--kinds', '--length-given', '--brief'];

async function infillEval(options: InfillEvalOptions, context: CommandContext) {
  const { workspace } = options;
  if (workspace !== undefined) {
    const other = context.specified.find((flag) => withoutWorkspace.includes(flag));
    if (other !== undefined)
      throw new UsageError(`${other} does not go together with --workspace; leave one of them out.`);
    const peerMode = peerModes.find((mode) => mode === options.peerMode);
    if (peerMode === undefined)
      throw new UsageError(`--peer-mode ${options.peerMode}: choose one of ${peerModes.join(', ')}.`);
    if (options.peer === undefined && options.sendCodeTo !== undefined)
      throw new UsageError('--send-code-to needs --peer.');
    return workspaceEval({ ...options, workspace, peerMode }, context);
  }
  if (options.peer !== undefined) throw new UsageError('--peer needs --workspace.');
  const { signal, progress } = context;
  const begin = performance.now();
  const kinds = parseKinds(options.kinds);
  const stopped = () => {
    if (signal.aborted) throw new Interrupted('The measurement was stopped; no results were saved.');
  };
  const resolved = await resolveModel(options.model);
  if (!completesCode(resolved.config))
    throw new UserError(
      `${options.model} was not trained to fill gaps by denoising; choose a model that was, such as ${bundledCodeModel}.`,
    );
  const checkpoint = await readCheckpoint(resolved);
  const autoregressive =
    options.autoregressive === undefined ? null : await autoregressiveCheckpoint(options.autoregressive);
  // A published model has its own tokens and none that ends a middle, so its bits are not measured.
  const hasBits = autoregressive !== null && fillsFromTheLeft(autoregressive.config);
  if (autoregressive && hasBits && !isSameTokenizer(autoregressive.tokenizer, checkpoint.tokenizer))
    throw new UserError(
      `${options.autoregressive} has another tokenizer than ${options.model}, so their bits are not of the same tokens; give a baseline that was trained on the same corpus.`,
    );
  const { measured: files, counted } = await sources(options, { signal, progress });
  const model = await LanguageModel.load(await engineOf(options), checkpoint);
  const other = autoregressive && (await LanguageModel.load(await engineOf(options), autoregressive));
  try {
    const { eom_token_id: eom } = model.config;
    const mask = maskToken(model.config);
    const ngram = await codeNgram(
      counted,
      model.tokenizer,
      { eom: eom as number, mask },
      { cache: ngramsFolder(), progress },
    );
    const methods = {
      own: ownMethods(model, path.basename(options.model), options),
      baselines: [
        fromTheLeft('n-gram', ngram, model),
        ...(other
          ? [
              fromTheLeft(
                'autoregressive',
                new AutoregressiveWriter(other, servingDecoding.contextTokens),
                model,
                hasBits,
              ),
            ]
          : []),
      ],
    };
    const comparisons: KindComparison[] = [];
    for (const kind of kinds) {
      const items = await infillingItems(files, [kind], options.items, options.seed);
      assertUsable(kind, items, model.tokenizer);
      let report = (_done: number) => {};
      const step = (method: string, done: number, of: number) => {
        stopped();
        if (done === 0) report = timedProgress(`${kind}: ${method},`, of, progress);
        report(done);
      };
      comparisons.push({ kind, ...(await compareInfilling(items, methods, measuredBy(model), step)) });
    }
    const document = { model: options.model, kinds: comparisons, seconds: (performance.now() - begin) / 1000 };
    return { document, lines: infillingTables(comparisons) };
  } finally {
    await model.dispose();
    await other?.dispose();
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

async function autoregressiveCheckpoint(name: string) {
  const resolved = await resolveModel(name);
  if (!isAutoregressive(resolved.config))
    throw new UserError(
      `${name} is not an autoregressive model; add one, or train one with \`unmask pretrain --recipe code-autoregressive\`.`,
    );
  return readCheckpoint(resolved);
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
      'All files of --ngram-files are among those with gaps, so nothing is left to count; give others.',
    );
  if (counted.length < all.length)
    hooks.progress(`${all.length - counted.length} files have gaps, so the n-gram does not count them`);
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
  const decoding = model.generation.gap_decoding === 'drafts' ? 'denoise' : 'drafts';
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
