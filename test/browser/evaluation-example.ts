import { Random } from '../../src/platform/random.ts';
import type {
  AnswerRecord,
  EvaluationReport,
  EvaluationRow,
  EvaluationSummary,
  RowOutcome,
} from '../../src/protocol/evaluation.ts';

const solution = '3214142323414132';
const puzzle = '3014002020004130';

function summary(run: string, model: string, value: number): EvaluationSummary {
  const dir = `/home/somebody/.local/share/unmask/evaluations/${run}`;
  return {
    run,
    dir,
    state: 'finished',
    step: 60,
    steps: 60,
    eta: 0,
    task: 'sudoku4x4',
    model,
    samples: 1,
    asReleased: false,
    data: null,
    seed: 0,
    settings: {},
    createdAt: '2026-03-04T05:06:07.000Z',
    result: {
      task: 'sudoku4x4',
      model,
      n: 60,
      metrics: {
        cell_accuracy: { value, low: value - 0.03, high: value + 0.03 },
        solved: { value: value - 0.2, low: value - 0.27, high: value - 0.13 },
      },
      forwards_per_answer: 16,
      tokens_per_forward: 1,
      seconds: 3.21,
      results: `${dir}/answers.jsonl`,
      run,
      dir,
    },
  };
}

function outcome(right: number): RowOutcome {
  const extracted = `${solution.slice(0, right)}${'1'.repeat(16 - right)}`;
  return { correct: Number(right === 16), samples: 1, score: right / 16, extracted, completion: extracted };
}

function row(index: number, right: number, before: number): EvaluationRow {
  return {
    problem: `p${index}`,
    number: index + 1,
    label: `puzzle ${puzzle} · solution ${solution}`,
    shown: outcome(right),
    compared: outcome(before),
    change: right > before ? 'better' : right < before ? 'worse' : 'same',
    layout: { columns: 4, cells: 16, box: 2, given: [...puzzle].map((digit) => digit !== '0') },
  };
}

/** Sixty Sudokus. Of every three, one improves, one stays the same, and one gets worse or stays the same in turn. */
export function exampleEvaluation(): EvaluationReport {
  const previous = summary('20260303-040506-007-evaluate-sudoku4x4', 'unmask-puzzles', 0.861);
  const older = summary('20260301-040506-007-evaluate-sudoku4x4', '/home/somebody/models/my-own-base', 0.842);
  const evaluation = summary('20260304-050607-008-evaluate-sudoku4x4', 'sudoku4x4-spg-mixture', 0.958);
  const rows = Array.from({ length: 60 }, (_, index) =>
    row(index, index % 3 === 1 && index % 2 ? 12 : 16, index % 3 === 0 ? 11 : 16),
  );
  return {
    evaluation,
    compared: previous,
    others: [previous, older],
    shared: 60,
    differences: [
      {
        name: 'cell_accuracy',
        before: { value: 0.861, low: 0.833, high: 0.889 },
        after: { value: 0.958, low: 0.942, high: 0.974 },
        difference: { value: 0.097, low: 0.071, high: 0.123 },
        verdict: 'better',
        better: 20,
        worse: 10,
        equal: 30,
      },
      {
        name: 'solved',
        before: { value: 0.713, low: 0.655, high: 0.771 },
        after: { value: 0.758, low: 0.702, high: 0.814 },
        difference: { value: 0.045, low: -0.02, high: 0.11 },
        verdict: 'not distinguishable',
        better: 20,
        worse: 10,
        equal: 30,
      },
    ],
    verdicts: [
      'sudoku4x4-spg-mixture reached 95.8 % cell accuracy on 60 problems (95 % interval 92.8 % to 98.8 %).',
      'Cell accuracy is better, 95.8 % against 86.1 % of unmask-puzzles on the same 60 problems (+9.7 points, 95 % interval +7.1 to +12.3, paired).',
      'No measurable difference in solved: 75.8 % against 71.3 % of unmask-puzzles on the same 60 problems (+4.5 points, 95 % interval −2.0 to +11.0, paired).',
    ],
    rows,
  };
}

/** The answer to a problem, denoised one token at a time. */
export function exampleAnswer({ problem, shown }: EvaluationRow, whose = 'shown'): AnswerRecord {
  const order = new Random(1, problem, whose).shuffle([...solution].keys());
  const revealedAt = order.map((_, place) => order.indexOf(place));
  return {
    problem,
    sample: 0,
    prompt: `${puzzle}:`,
    completion: shown.completion,
    seed: 7,
    correct: shown.correct === 1,
    extracted: shown.extracted,
    scores: {
      cell_accuracy: { value: Math.round(9 * shown.score), weight: 9 },
      solved: { value: shown.correct, weight: 1 },
    },
    forwards: 16,
    tokens: [...shown.completion].map((digit) => Number(digit) + 4),
    pieces: [...shown.completion],
    revealedAt,
    confidence: revealedAt.map((step) => Math.max(0.3, 1 - 0.045 * step)),
  };
}
