import './page.css';
import './panel/theme.css';
import './evaluation.css';
import type { EvaluationReport, EvaluationRow, EvaluationUpdate } from '../src/protocol/evaluation.ts';
import { element, setText } from './element.ts';
import { answersTo } from './evaluation/answers.ts';
import { connectHost } from './evaluation/host.ts';
import { masthead } from './evaluation/masthead.ts';
import { problems } from './evaluation/problems.ts';
import { result } from './evaluation/result.ts';

/** The page of an evaluation: shows the report from the extension, and sends requests to it. */
const notice = element('div', { class: 'notice', role: 'alert', hidden: true });
const body = element('div', { class: 'report' });
const detail = element('div', { class: 'detail' });
let opened: EvaluationRow | null = null;

document.body.append(element('main', { class: 'evaluation' }, notice, body));
body.append(element('p', { class: 'note', role: 'status' }, 'Loading the evaluation…'));
const host = connectHost((update) => receive(update));
host.ask({ kind: 'ready' });

function receive(update: EvaluationUpdate): void {
  if (update.kind === 'failed') {
    setText(notice, update.reason);
    notice.hidden = false;
    return;
  }
  notice.hidden = true;
  if (update.kind === 'report') showReport(update.report);
  else if (opened?.problem === update.problem) showAnswers(opened, update.shown, update.compared);
}

function showReport(report: EvaluationReport): void {
  host.keep({ dir: report.evaluation.dir, against: report.compared?.dir ?? null });
  opened = null;
  detail.replaceChildren();
  body.replaceChildren(
    masthead(report, host),
    result(report),
    element('div', { class: 'list-and-detail' }, problems(report, open), detail),
  );
}

function open(row: EvaluationRow): void {
  opened = row;
  host.ask({ kind: 'show-answers', problem: row.problem });
}

function showAnswers(...answers: Parameters<typeof answersTo>): void {
  const shown = answersTo(...answers);
  detail.replaceChildren(shown);
  const heading = shown.querySelector('h2');
  heading?.setAttribute('tabindex', '-1');
  heading?.focus({ preventScroll: true });
  shown.scrollIntoView({ block: 'nearest' });
}
