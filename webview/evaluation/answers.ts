import type { AnswerRecord, EvaluationRow } from '../../src/protocol/evaluation.ts';
import type { Denoising } from '../../src/protocol/report.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { denoisings } from '../denoising.ts';
import { element, section } from '../element.ts';
import { count, number } from '../numbers.ts';

/** The answers to one problem: the prompt, the completions, the extracted answers with their scores, and the denoising. */
export function answersTo(
  row: EvaluationRow,
  shown: readonly AnswerRecord[],
  compared: readonly AnswerRecord[],
): HTMLElement {
  const prompt = shown[0]?.prompt ?? '';
  const all = [
    ...shown.map((answer) => ({ title: titleOf('This evaluation', answer, shown.length), answer })),
    ...compared.map((answer) => ({ title: titleOf('The other evaluation', answer, compared.length), answer })),
  ];
  return section(
    'answers',
    `Problem ${row.number}`,
    element('h3', {}, 'Prompt'),
    element('pre', { class: 'text', tabindex: 0, role: 'region', 'aria-label': 'Prompt' }, prompt),
    element('div', { class: 'answer-cards' }, ...all.map(({ title, answer }) => answerCard(title, answer))),
    denoisings(all.map(({ title, answer }) => denoisingOf(title, answer, row))),
  );
}

function titleOf(whose: string, { sample }: AnswerRecord, samples: number): string {
  return samples === 1 ? whose : `${whose}, answer ${sample + 1}`;
}

function answerCard(title: string, { completion, correct, extracted, scores, forwards }: AnswerRecord): HTMLElement {
  const graded = Object.entries(scores).map(
    ([name, { value, weight }]) => `${name.replaceAll('_', ' ')} ${number(value)} of ${number(weight)}`,
  );
  return element(
    'div',
    { class: 'card answer-card' },
    element(
      'h3',
      {},
      `${title}: `,
      element('span', { class: correct ? 'right' : 'wrong' }, correct ? 'right' : 'wrong'),
    ),
    element('pre', { class: 'text', tabindex: 0, role: 'region', 'aria-label': `Completion, ${title}` }, completion),
    element(
      'p',
      { class: 'note' },
      'Extracted answer: ',
      element('code', {}, extracted ?? 'none'),
      `; ${graded.join(', ')}; ${count(forwards, 'forward pass', 'forward passes')}.`,
    ),
  );
}

function denoisingOf(title: string, answer: AnswerRecord, { layout }: EvaluationRow): Denoising {
  return {
    title,
    prompt: answer.prompt,
    outcome: answer.correct ? 'right' : 'wrong',
    frames: framesOf(answer),
    ...(layout ? { layout } : {}),
  };
}

/** The canvas after every denoising step, reconstructed from the reveal steps of an answer. */
function framesOf({ pieces, revealedAt, confidence, forwards }: AnswerRecord): Frame[] {
  return Array.from({ length: forwards }, (_, step) => {
    const upTo = <T>(values: readonly T[]) =>
      values.map((value, position) => ((revealedAt[position] as number) <= step ? value : null));
    return { step, tokens: upTo(pieces), revealedAt: upTo(revealedAt), confidence: upTo(confidence) };
  });
}
