import { UserError } from '../platform/errors.ts';

/** The hub cannot be reached at all: no network, no such host, or it answers nothing. */
export class HubUnreachable extends UserError {}

/** An answer of the hub that is none: its status, and its own name for what is wrong (the header `X-Error-Code`). */
export class HubError extends Error {
  readonly status: number;
  readonly code: string | null;
  /** Milliseconds that the hub asks to wait for; null: it does not say. */
  readonly retryAfter: number | null;

  constructor(response: Response) {
    super(`the hub answered ${response.status} ${response.statusText}`.trim());
    this.status = response.status;
    this.code = response.headers.get('x-error-code');
    this.retryAfter = readRetryAfter(response.headers.get('retry-after'));
  }

  /** Whether the same request may succeed a little later. */
  get mayPass(): boolean {
    return [408, 429, 500, 502, 503, 504].includes(this.status);
  }
}

/** `Retry-After`: seconds, or a date (RFC 9110, 10.2.3). */
function readRetryAfter(text: string | null): number | null {
  if (text === null) return null;
  const milliseconds = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? null : Math.max(0, milliseconds);
}

/** What a user is told of a refusal: what it means for the model that was asked for, and what to do. */
export function explain(
  { status, code, message }: HubError,
  { id, revision }: { readonly id: string; readonly revision: string | null },
  { endpoint, token }: { readonly endpoint: string; readonly token: string | null },
): UserError {
  const give = `a token from ${endpoint}/settings/tokens, in the environment variable HF_TOKEN (in VS Code: Unmask: Set Hugging Face Token)`;
  if (code === 'GatedRepo')
    return new UserError(
      token === null
        ? `${id} is gated: accept its terms on ${endpoint}/${id}, then give ${give}.`
        : `${id} is gated, and the account of the token has no access yet: accept its terms on ${endpoint}/${id} with that account, and wait until access is granted.`,
    );
  // A repository that is private and one that does not exist look the same to whoever may not know.
  if (status === 401 || status === 403)
    return new UserError(
      token === null
        ? `The hub gives nobody ${id} without a token: check the id, and if the model is private or gated, give ${give}.`
        : `The hub does not give ${id} to the account of this token: check the id, and that the token is still good on ${endpoint}/settings/tokens.`,
    );
  if (code === 'RevisionNotFound')
    return new UserError(`${id} has no revision ${revision}; ${endpoint}/${id} lists its branches and commits.`);
  if (status === 404)
    return new UserError(
      `There is no model ${id}${revision === null ? '' : ` at ${revision}`} on ${endpoint}; check the id.`,
    );
  if (status === 429)
    return new UserError(`${endpoint} asks to slow down (429); try again in some minutes, what is there is kept.`);
  return new UserError(`${endpoint} failed over ${id}: ${message}; try again later, what is there is kept.`);
}
