import path from 'node:path';
import { reportAnswers } from '../../evaluation/report-answers.ts';
import { type InfillingDecoding, modelCompleter } from '../../infilling/diffusion-infiller.ts';
import { type Completer, type InfillingItem, scoreItems, sharesOf } from '../../infilling/infilling.ts';
import { leftToRightCompleter } from '../../infilling/left-to-right.ts';
import { trainBytePairs } from '../../model/byte-pair-training.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { Tokenizer } from '../../model/tokenizer.ts';
import { count } from '../../platform/amounts.ts';
import { dataHome } from '../../platform/files.ts';
import type { Random } from '../../platform/random.ts';
import { defaultSettings } from '../../protocol/default-settings.ts';
import type { Interval } from '../../protocol/interval.ts';
import { backgroundContext } from '../../runs/run-job.ts';
import type { Example } from '../masked-diffusion-loss.ts';
import type { Curriculum, PrepareHooks, Recipe } from '../recipe.ts';
import { codeNgram } from './code-ngram.ts';
import { type Corpus, listedPackages, readCorpus, type SourceFile } from './corpus.ts';
import { GapExamples } from './gap-examples.ts';
import { infillingItems } from './infilling-items.ts';

/** Vocabulary size of the recipe's tokenizer, including special tokens. */
const usualVocabulary = 8192;
export const codeSpecials = { pad: 0, eos: 1, mask: 2, eom: 3 } as const;

/**
 * Lengths of texts in tokens. A completion request has up to 512 tokens around a canvas of 64, so some texts are that
 * long.
 */
const lengths = { gap: 128, text: 256, long: 640 } as const;

const { threshold, contextTokens } = defaultSettings.completions;

/** The decoding used for evaluation, and for serving by default. */
export const servingDecoding: InfillingDecoding = { threshold, contextTokens };

/** Caches of fetched npm sources, and of the tokens that an n-gram counts. */
export const sourcesFolder = (): string => path.join(dataHome(), 'cache', 'sources');
export const ngramsFolder = (): string => path.join(dataHome(), 'cache', 'ngrams');

/** How one kind of model is trained on code and completes it. */
export interface CodeReading {
  /** An example of `length` tokens: plain text, one gap, or several if the model can learn from several at once. */
  text(draw: GapExamples, length: number, random: Random): Example;
  gap(draw: GapExamples, length: number, random: Random): Example;
  gaps(draw: GapExamples, length: number, random: Random): Example;
  completer(model: LanguageModel): Completer;
}

const denoisingReading: CodeReading = {
  text: (draw, length, random) => draw.text(length, random),
  gap: (draw, length, random) => draw.gap(length, random),
  gaps: (draw, length, random) => draw.gaps(length, random),
  completer: (model) => modelCompleter(model, servingDecoding),
};

/** A small model that completes TypeScript and JavaScript. */
export const codeRecipe: Recipe = {
  name: 'code',
  description: 'A small model that completes TypeScript and JavaScript',
  modelName: 'unmask-code',
  preset: 'mini-3m',
  ropeTheta: 1000,
  generation: { prompt_format: 'plain', block_length: 16, tokens_per_step: 1, line_canvas: 32, canvas: 64 },
  settings: {
    batch_size: 16,
    forward_process: 'stratified',
    optimizer: 'muon',
    learning_rate: 4e-3,
    warmup_steps: 200,
    lr_schedule: 'cosine',
    lr_floor: 0.05,
    max_grad_norm: 1,
    evaluate_every: 2500,
    evaluation_problems: 200,
    checkpoint_every: 250,
  },
  steps: 6000,
  prepare: async (hooks) => codeCurriculum(await readCorpus(sourcesFolder(), hooks), hooks),
};

export interface CurriculumOptions {
  readonly reading?: CodeReading;
  readonly vocabulary?: number;
}

/** The training data of a code model: gaps, and plain text, from which it learns faster at first. */
export async function codeCurriculum(
  corpus: Corpus,
  { progress }: Pick<PrepareHooks, 'progress'>,
  { reading = denoisingReading, vocabulary = usualVocabulary }: CurriculumOptions = {},
): Promise<Curriculum> {
  progress(`Learning a tokenizer from ${count(corpus.training.length, 'file')}`);
  const files = trainBytePairs(
    corpus.training.map(({ text }) => text),
    vocabulary,
  );
  const tokenizer = new Tokenizer(files);
  const draw = new GapExamples(corpus.training, tokenizer, codeSpecials.eom);
  const items = await infillingItems(corpus.validation, ['line', 'lines'], 400);
  let baseline: Record<string, Interval> | undefined;
  return {
    data: describe(corpus),
    tokenizer: files,
    specials: codeSpecials,
    examples(step, batchSize, random) {
      const batch = (length: number, kind: 'text' | 'gap' | 'gaps') =>
        Array.from({ length: Math.max(1, Math.round((batchSize * lengths.text) / length)) }, () =>
          reading[kind](draw, length, random),
        );
      const kind = step % 8;
      if (kind === 1) return [batch(lengths.gap, 'gap')];
      if (kind === 7) return [batch(lengths.long, 'gaps')];
      return [batch(lengths.text, kind % 3 === 0 ? 'text' : 'gaps')];
    },
    answers: 'The best of three answers by syntax errors, which an editor shows (`likeliest`: only the first of them),',
    bestBy: 'exact_match',
    async evaluate(model, problems, context = backgroundContext) {
      const begin = performance.now();
      const scored = (items: readonly InfillingItem[], complete: Completer, what: string) => {
        const answers = reportAnswers(context, `validation on ${what}`);
        return scoreItems(items, complete, (done) => {
          answers({ done, total: items.length, batch: 0, share: 0 });
          context.signal.throwIfAborted();
        });
      };
      const ofKind = (gapKind: string) => items.filter(({ kind }) => kind === gapKind).slice(0, problems);
      const [lines, several] = [ofKind('line'), ofKind('lines')];
      const baselineScores = async () => {
        const kept = { cache: ngramsFolder(), progress };
        const ngram = await codeNgram(corpus.training, tokenizer, codeSpecials, kept);
        const complete = leftToRightCompleter(ngram, model.generation);
        return named(
          'ngram/',
          sharesOf((await scored(lines, complete, 'lines, by the n-gram')).map(({ shown }) => shown)),
        );
      };
      const one = await scored(lines, reading.completer(model), 'lines');
      const more = await scored(several, reading.completer(model), 'several lines');
      baseline ??= await baselineScores();
      return {
        task: 'infilling',
        split: 'validation',
        n: lines.length,
        metrics: {
          ...sharesOf(one.map(({ shown }) => shown)),
          ...named('likeliest/', sharesOf(one.map(({ likeliest }) => likeliest))),
          ...named('lines/', sharesOf(more.map(({ shown }) => shown))),
          ...baseline,
        },
        seconds: (performance.now() - begin) / 1000,
      };
    },
  };
}

const named = (prefix: string, metrics: Readonly<Record<string, Interval>>): Record<string, Interval> =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [prefix + name, value]));

function describe({ training, validation }: Corpus): string[] {
  const megabytes = (part: readonly SourceFile[]) =>
    (part.reduce((sum, { text }) => sum + text.length, 0) / 1e6).toFixed(1);
  const names = (part: 'training' | 'validation') =>
    listedPackages
      .filter((listed) => listed.part === part)
      .map(({ name, version, license }) => `${name} ${version} (${license})`);
  return [
    `Source files of npm packages, as their authors wrote them: ${training.length} files (${megabytes(training)} MB) for training, and`,
    `${validation.length} files (${megabytes(validation)} MB) of held-out packages for the scores below. Built, minified and generated files,`,
    'declarations, tables, duplicates and licence banners were left out.',
    '',
    `Training: ${names('training').join(', ')}.`,
    '',
    `Held out: ${names('validation').join(', ')}.`,
  ];
}
