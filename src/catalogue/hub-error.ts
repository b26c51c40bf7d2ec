import { UserError } from '../platform/errors.ts';

/** The hub cannot be reached: there is no network, no such host, or no answer. */
export class HubUnreachable extends UserError {}

/** An error response of the hub, with its status and the hub's error code (the header `X-Error-Code`). */
export class HubError extends Error {
  readonly status: number;
  readonly code: string | null;
  /** Milliseconds to wait as requested by the hub; null: not specified. */
  readonly retryAfter: number | null;

  constructor(response: Response) {
    super(`the hub answered ${response.status} ${response.statusText}`.trim());
    this.status = response.status;
    this.code = response.headers.get('x-error-code');
    this.retryAfter = readRetryAfter(response.headers.get('retry-after'));
  }

  /** Whether the same request may succeed later. */
  get mayPass(): boolean {
    return [408, 429, 500, 502, 503, 504].includes(this.status);
  }
}

/** `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). */
function readRetryAfter(text: string | null): number | null {
  if (text === null) return null;
  const milliseconds = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(milliseconds) ? null : Math.max(0, milliseconds);
}

/** The message for the user: what an error of the hub means for the requested model, and what to do. */
export function explain(
  { status, code, message }: HubError,
  { id, revision }: { readonly id: string; readonly revision: string | null },
  { endpoint, token }: { readonly endpoint: string; readonly token: string | null },
): UserError {
  const give = `a token from ${endpoint}/settings/tokens, in the environment variable HF_TOKEN (in VS Code: Unmask: Set Hugging Face Token)`;
  if (code === 'GatedRepo')
    return new UserError(
      token === null
        ? `${id} is gated: accept its terms on ${endpoint}/${id}, then set ${give}.`
        : `${id} is gated, and the account of the token has no access yet: accept its terms on ${endpoint}/${id} with that account, and wait until access is granted.`,
    );
  // Without access, the hub answers in the same way for private and for missing repositories.
  if (status === 401 || status === 403)
    return new UserError(
      token === null
        ? `The hub refuses access to ${id} without a token: check the id, and if the model is private or gated, set ${give}.`
        : `The hub refuses access to ${id} with this token: check the id, and check on ${endpoint}/settings/tokens that the token is valid.`,
    );
  if (code === 'RevisionNotFound')
    return new UserError(`${id} has no revision ${revision}; ${endpoint}/${id} lists its branches and commits.`);
  if (status === 404)
    return new UserError(
      `There is no model ${id}${revision === null ? '' : ` at ${revision}`} on ${endpoint}; check the id.`,
    );
  if (status === 429)
    return new UserError(
      `${endpoint} limits the number of requests (429); try again in a few minutes. The downloaded part is kept.`,
    );
  return new UserError(
    `${endpoint} failed to deliver ${id}: ${message}; try again later. The downloaded part is kept.`,
  );
}
