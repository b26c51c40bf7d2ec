import { Option } from 'commander';
import { type BenchDocument, runBench } from '../../../bench/bench.ts';
import type { CompletionLatencies } from '../../../bench/completions.ts';
import { benchNames } from '../../../bench/measurements.ts';
import type { OperatorTime } from '../../../bench/operator-profile.ts';
import { table } from '../../../bench/result.ts';
import { serveWork } from '../../../bench/worker.ts';
import type { WorkerSpeed } from '../../../bench/worker-rollouts.ts';
import { bundledCodeModel } from '../../catalogue/find-model.ts';
import { UsageError } from '../../platform/errors.ts';
import { type AddCommand, type EngineOptions, engineOf, positiveNumber, wholeNumber, withEngine } from '../command.ts';

interface BenchCommandOptions extends EngineOptions {
  readonly only?: string;
  readonly seconds: number;
  readonly python?: string;
  readonly installPeer?: boolean;
  readonly profile?: boolean;
  readonly worker?: boolean;
  readonly threads?: number;
  readonly puzzleModel?: string;
  readonly codeModel: string;
  readonly codeFiles?: string;
  readonly requests: number;
}

export function addBench(add: AddCommand): void {
  withEngine(
    add<BenchCommandOptions>(
      'bench',
      'Measure speed and memory on this machine, compared with PyTorch',
      async (options, context) => {
        const { engine, device, threads, puzzleModel } = options;
        if (options.worker) {
          await serveWork({ engine, device: device!, threads: threads!, puzzleModel: puzzleModel! });
          return { document: null, lines: [] };
        }
        const selected = wantedNames(options.only);
        const opened = await engineOf(options);
        const found = { engine: opened.name, device: opened.device };
        await opened.dispose();
        if (options.profile && !(found.engine === 'onnx' && found.device === 'cpu'))
          throw new UsageError(
            `--profile works with the engine onnx on the device cpu only; add --engine onnx --device cpu.`,
          );
        const document = await runBench({
          device: found,
          python: options.python,
          installPeer: options.installPeer ?? false,
          isSelected: (name) => selected.includes(name),
          seconds: options.seconds,
          profile: options.profile ?? false,
          completions: { model: options.codeModel, files: options.codeFiles, requests: options.requests },
          signal: context.signal,
          progress: context.progress,
        });
        return { document, lines: shown(document) };
      },
    ),
  )
    .option('--only <names>', `results to measure, separated by commas (${benchNames.join(', ')})`)
    .addOption(positiveNumber('--seconds <seconds>', 'seconds per measurement').default(5))
    .option('--python <program>', 'Python with PyTorch (default: the first one found)')
    .option(
      '--install-peer',
      'install PyTorch and OpenBLAS with apt-get if they are missing (as root on Debian or Ubuntu)',
    )
    .option('--code-model <model>', 'model for the completion benchmark', bundledCodeModel)
    .option(
      '--code-files <folder>',
      'sources to complete in (default: packages that the bundled model did not read, fetched by npm)',
    )
    .addOption(wholeNumber('--requests <n>', 'completions to measure').default(200))
    .option('--profile', 'show the time of a training step by operator')
    .addOption(new Option('--worker', 'answer requests on stdin').hideHelp())
    .addOption(wholeNumber('--threads <n>', 'threads of a worker').hideHelp())
    .addOption(new Option('--puzzle-model <folder>', 'puzzle model of a worker').hideHelp());
}

/** The names in `--only`, or all names by default. */
export function wantedNames(only: string | undefined): readonly string[] {
  if (only === undefined) return benchNames;
  const names = only.split(',').map((name) => name.trim());
  for (const name of names)
    if (!benchNames.includes(name))
      throw new UsageError(
        `--only: there is no result ${name || 'with an empty name'}; the results are ${benchNames.join(', ')}.`,
      );
  return names;
}

function shown({ machine, results, completions, profile, workers }: BenchDocument): string[] {
  const { cores, cpu, memory, platform, node, onnxruntime, engine, device } = machine;
  return [
    `${cpu}, ${cores} cores, ${memory} GiB, ${platform}; Node ${node}, ONNX Runtime ${onnxruntime ?? '-'}; ${engine} on ${device}`,
    '',
    ...table(results),
    ...(completions ?? []).flatMap((latencies) => ['', ...latencyLines(latencies)]),
    ...(workers ? ['', ...workerLines(workers)] : []),
    ...(profile ? ['', ...profileLines(profile)] : []),
  ];
}

function latencyLines({ percentiles, ...about }: CompletionLatencies): string[] {
  const lines = about.multiline === 'auto' ? 'one line or several, depending on the position' : 'always several lines';
  return [
    `${about.requests} completions of ${about.model} in files that it was not trained on (${lines}): ${about.contextTokens.toFixed(0)} tokens of context,`,
    `a canvas of ${about.canvas} for several lines, ${about.forwards.toFixed(1)} forward passes each, without the cache; ${(100 * about.shown).toFixed(0)} % of the requests led to a suggestion.`,
    `Time from keystroke to answer, without the debounce of ${about.debounce} ms:`,
    Object.entries(percentiles)
      .map(([share, milliseconds]) => `${share} ${milliseconds.toFixed(0)} ms`)
      .join('   '),
  ];
}

function workerLines(speeds: readonly WorkerSpeed[]): string[] {
  const shared = speeds.some(({ workers, held_apart }) => workers > 0 && !held_apart);
  return [
    'Share of the time of a step in which the trainer waits for rollouts of workers:',
    ...speeds.map(({ name, waiting_share }) => `${name.padEnd(14)}${(100 * waiting_share).toFixed(0).padStart(4)} %`),
    ...(shared ? ['Workers and trainer share all processors, because the machine has fewer than two for each.'] : []),
  ];
}

function profileLines(profile: readonly OperatorTime[]): string[] {
  return [
    'Operators of a training step, according to ONNX Runtime’s profiler:',
    ...profile.map(({ operator, nodes, seconds, share }) => {
      const milliseconds = (seconds * 1000).toFixed(2).padStart(9);
      return `${operator.padEnd(24)}${`${nodes}`.padStart(5)} nodes ${milliseconds} ms ${(share * 100).toFixed(1).padStart(6)} %`;
    }),
  ];
}
