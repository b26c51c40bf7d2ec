/** A parsed arithmetic expression: its value, and its number literals from left to right. */
export interface Arithmetic {
  /** Always finite: an expression that divides by zero is rejected. */
  readonly value: number;
  readonly literals: readonly number[];
}

/** Maximum nesting depth of brackets and signs; deeper expressions are rejected. */
const deepest = 200;

/**
 * Evaluates numbers, + - * /, signs and round brackets with the usual precedence in double precision. With `python`, it
 * follows Python's `eval`: `**` and `//` are allowed too, line breaks only inside brackets. Null if the text is not one
 * complete expression, if a number has a leading zero, or if the value is not finite.
 */
export function readArithmetic(text: string, python = false): Arithmetic | null {
  const reader = new Reader(text, python);
  try {
    const value = reader.sum(0);
    return reader.atEnd() && Number.isFinite(value) ? { value, literals: reader.literals } : null;
  } catch (error) {
    if (error instanceof NoExpression) return null;
    throw error;
  }
}

class NoExpression extends Error {}

/** Recursive descent, one method per level of precedence; `depth` counts open brackets and signs. */
class Reader {
  readonly literals: number[] = [];
  readonly #text: string;
  readonly #python: boolean;
  #position = 0;
  #brackets = 0;

  constructor(text: string, python: boolean) {
    this.#text = text.trim();
    this.#python = python;
  }

  sum(depth: number): number {
    let value = this.#product(depth);
    for (;;) {
      if (this.#take('+')) value += this.#product(depth);
      else if (this.#take('-')) value -= this.#product(depth);
      else return value;
    }
  }

  atEnd(): boolean {
    this.#skipSpace();
    return this.#position === this.#text.length;
  }

  #product(depth: number): number {
    let value = this.#signed(depth);
    for (;;) {
      if (this.#take('*')) value *= this.#signed(depth);
      else if (this.#python && this.#take('//')) value = Math.floor(value / nonZero(this.#signed(depth)));
      else if (this.#take('/')) value /= nonZero(this.#signed(depth));
      else return value;
    }
  }

  #signed(depth: number): number {
    if (depth > deepest) throw new NoExpression();
    if (this.#take('-')) return -this.#signed(depth + 1);
    if (this.#take('+')) return this.#signed(depth + 1);
    return this.#power(depth);
  }

  #power(depth: number): number {
    const base = this.#atom(depth);
    // Right-associative; binds tighter than a sign before it and looser than a sign after it.
    return this.#python && this.#take('**') ? finite(base ** this.#signed(depth + 1)) : base;
  }

  #atom(depth: number): number {
    if (this.#take('(')) {
      this.#brackets++;
      const value = this.sum(depth + 1);
      // Read while the bracket still counts as open, because a line break may come before it.
      if (!this.#take(')')) throw new NoExpression();
      this.#brackets--;
      return value;
    }
    this.#skipSpace();
    const number = /(?:\d+\.?\d*|\.\d+)/y;
    number.lastIndex = this.#position;
    const literal = number.exec(this.#text)?.[0];
    if (literal === undefined || /^0+[1-9]\d*$/.test(literal)) throw new NoExpression();
    this.#position += literal.length;
    this.literals.push(Number(literal));
    return Number(literal);
  }

  #take(symbol: '+' | '-' | '*' | '/' | '//' | '**' | '(' | ')'): boolean {
    this.#skipSpace();
    if (!this.#text.startsWith(symbol, this.#position)) return false;
    // `*` and `/` must not match the first character of `**` and `//`.
    if ((symbol === '*' || symbol === '/') && this.#text[this.#position + 1] === symbol) return false;
    this.#position += symbol.length;
    return true;
  }

  #skipSpace(): void {
    const space = this.#python && this.#brackets === 0 ? /[ \t\f]/ : /\s/;
    while (this.#position < this.#text.length && space.test(this.#text[this.#position])) this.#position++;
  }
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new NoExpression();
  return value;
}

function nonZero(divisor: number): number {
  if (divisor === 0) throw new NoExpression();
  return divisor;
}
