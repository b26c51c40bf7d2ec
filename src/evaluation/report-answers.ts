import type { WorkContext } from '../runs/run-job.ts';
import type { AnswerProgress } from './answers.ts';

/** Tells a job's readers how many answers of an evaluation are written: "validation: answers 64 of 128". */
export function reportAnswers(context: WorkContext, what: string): (progress: AnswerProgress) => void {
  const begin = performance.now();
  return ({ done, total, batch, share, graded }) => {
    const whole = (done + batch * share) / total;
    const elapsed = (performance.now() - begin) / 1000;
    const grading = graded === undefined ? [] : [{ name: 'graded', done: graded, total }];
    context.reportProgress({
      text: `${what}: ${graded === undefined ? `answers ${done} of ${total}` : `graded ${graded} of ${total} answers`}`,
      counts: [{ name: 'answers', done, total }, ...grading],
      eta: whole > 0 ? (elapsed * (1 - whole)) / whole : null,
    });
  };
}
