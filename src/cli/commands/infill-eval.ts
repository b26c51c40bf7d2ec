import * as z from 'zod';
import { bundledCodeModel } from '../../catalogue/find-model.ts';
import {
  type ComparedMethods,
  compareInfilling,
  describeMethod,
  type InfillingMethod,
  type MeasuredGap,
  type MethodDescription,
  measureGaps,
} from '../../infilling/comparison.ts';
import { type InfillingKind, infillingKinds } from '../../infilling/infilling.ts';
import { measuredGapSchema } from '../../infilling/measured-gap-schema.ts';
import { peerModes } from '../../infilling/peer.ts';
import { Interrupted, UsageError } from '../../platform/errors.ts';
import { type AddCommand, type CommandContext, type CommandResult, wholeNumber, withEngine } from '../command.ts';
import { type Benchmark, type InfillEvalOptions, prepareBenchmark } from '../infilling-benchmark.ts';
import { infillingTables } from '../infilling-table.ts';
import {
  computeShard,
  gatherShards,
  refuseUnusedFolder,
  type ShardChoice,
  shardChoice,
  withShards,
} from '../shard-options.ts';
import { timedProgress } from '../timed-progress.ts';
import { gatheredWorkspace, workspaceEval } from '../workspace-eval.ts';
import { workspaceRowSchema } from '../workspace-gaps.ts';

export function addInfillEval(add: AddCommand): void {
  const command = withEngine(
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
    .option(
      '--peer <url>',
      'with --workspace: also measure a server on this machine that has the HTTP API of llama.cpp',
    )
    .option(
      '--peer-mode <mode>',
      'endpoint of the server: infill (/infill), or suffix or prefix (/v1/completions with or without the text after the gap)',
      'infill',
    )
    .option('--send-code-to <host>', 'allow --peer to be on this other machine, which then receives parts of your code')
    .option(
      '--ngram-files <folder>',
      'source files for the n-gram baseline (default: the training packages of the code recipe)',
    )
    .option(
      '--kinds <names>',
      `kinds of gaps, separated by commas (${infillingKinds.join(', ')})`,
      infillingKinds.join(),
    )
    .option('--length-given', 'add a row in which the canvas has exactly the length of the middle')
    .option('--brief', 'measure only the model and the baselines, without other decoding settings')
    .addOption(wholeNumber('--items <n>', 'gaps per kind', 2).default(100))
    .addOption(wholeNumber('--seed <seed>', 'seed for the positions of the gaps', 0).default(0));
  withShards(command);
}

/** Options that do not go together with `--workspace`. */
const withoutWorkspace = ['--files', '--ngram-files', '--autoregressive', '--kinds', '--length-given', '--brief'];

async function infillEval(options: InfillEvalOptions, context: CommandContext): Promise<CommandResult> {
  const choice = shardChoice(options);
  if (choice?.kind === 'gather') return gatherInfilling(choice, options, context);
  if (choice === null) refuseUnusedFolder(options);
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
    return workspaceEval({ ...options, workspace, peerMode }, choice, context);
  }
  if (options.peer !== undefined) throw new UsageError('--peer needs --workspace.');
  const benchmark = await prepareBenchmark(options, context);
  try {
    return choice === null
      ? await measureAll(benchmark, options, context)
      : await measureShare(benchmark, choice, options, context);
  } finally {
    await benchmark.dispose();
  }
}

/** Called before each unit of work: throws if the command was stopped, and reports the progress of a method. */
function stepOf({ signal, progress }: CommandContext, kind: string) {
  let report = (_done: number) => {};
  return (method: string, done: number, of: number) => {
    if (signal.aborted) throw new Interrupted('The measurement was stopped; no results were saved.');
    if (done === 0) report = timedProgress(`${kind}: ${method},`, of, progress);
    report(done);
  };
}

async function measureAll(
  { methods, measured, kinds }: Benchmark,
  { model }: InfillEvalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const begin = performance.now();
  const found: MeasuredKind[] = [];
  for (const { kind, items } of kinds)
    found.push({ kind, gaps: await measureGaps(items, methods, measured, stepOf(context, kind)) });
  return shown(model, found, described(methods), (performance.now() - begin) / 1000);
}

/** A row is a gap with the scores of every method. */
function measureShare(
  { engine, methods, measured, kinds, digests }: Benchmark,
  choice: Extract<ShardChoice, { kind: 'shard' }>,
  options: InfillEvalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const gaps = kinds.flatMap(({ kind, items }) => items.map((item, index) => ({ item, name: `${kind} ${index + 1}` })));
  return computeShard(
    choice,
    {
      command: 'infill-eval',
      inputs: {
        measure: 'files',
        kinds: kinds.map(({ kind, items }) => ({ kind, n: items.length })),
        methods: described(methods),
        ...digests,
      },
      about: { model: options.model },
      rows: gaps.map(({ name }) => name),
      rowsPerPart: 1,
      schema: measuredGapSchema,
      engine,
      compute: async (first) => {
        const begin = performance.now();
        const { item, name } = gaps[first]!;
        const [gap] = await measureGaps([item], methods, measured, (method) => {
          if (context.signal.aborted) throw new Interrupted(`The shard was stopped at ${name}, ${method}.`);
        });
        return [{ ...gap!, seconds: (performance.now() - begin) / 1000 }];
      },
    },
    options,
    context,
  );
}

const kindsSchema = z.array(z.object({ kind: z.enum(infillingKinds), n: z.int() }));

async function gatherInfilling(
  choice: Extract<ShardChoice, { kind: 'gather' }>,
  options: InfillEvalOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const schema = z.union([measuredGapSchema, workspaceRowSchema]);
  const { plan, rows } = await gatherShards(choice, 'infill-eval', schema, options, context);
  const gaps = rows.flatMap((row) => ('fits' in row ? [row] : []));
  if (gaps.length === 0)
    return gatheredWorkspace(
      plan,
      rows.flatMap((row) => ('fits' in row ? [] : [row])),
    );
  let end = 0;
  const found = kindsSchema.parse(plan.inputs.kinds).map(({ kind, n }) => {
    end += n;
    return { kind, gaps: gaps.slice(end - n, end) };
  });
  const seconds = gaps.reduce((sum, row) => sum + row.seconds, 0);
  const methods = plan.inputs.methods as ComparedMethods<MethodDescription>;
  return shown(plan.about.model as string, found, methods, seconds);
}

interface MeasuredKind {
  readonly kind: InfillingKind;
  readonly gaps: readonly MeasuredGap[];
}

function shown(
  model: string,
  kinds: readonly MeasuredKind[],
  methods: ComparedMethods<MethodDescription>,
  seconds: number,
): CommandResult {
  const comparisons = kinds.map(({ kind, gaps }) => ({ kind, ...compareInfilling(gaps, methods) }));
  return { document: { model, kinds: comparisons, seconds }, lines: infillingTables(comparisons) };
}

const described = ({ own, baselines }: ComparedMethods<InfillingMethod>): ComparedMethods<MethodDescription> => ({
  own: own.map(describeMethod),
  baselines: baselines.map(describeMethod),
});
