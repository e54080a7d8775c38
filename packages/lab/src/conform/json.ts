/** What `JSON.parse` makes. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

export interface JsonObject {
  readonly [key: string]: Json;
}

/** @throws SyntaxError */
export function parseJson(text: string): Json {
  const value: Json = JSON.parse(text);
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The member if it is an object, or an empty one. */
export function objectAt(value: Json | undefined, key: string): JsonObject {
  const member = isObject(value) ? value[key] : undefined;
  return isObject(member) ? member : {};
}

/** The member if it is a list, or an empty one. */
export function listAt(value: Json | undefined, key: string): readonly Json[] {
  const member = isObject(value) ? value[key] : undefined;
  return isArray(member) ? member : [];
}

export function textAt(value: Json | undefined, key: string, otherwise = ''): string {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'string' ? member : otherwise;
}

export function numberAt(value: Json | undefined, key: string, otherwise = 0): number {
  const member = isObject(value) ? value[key] : undefined;
  return typeof member === 'number' ? member : otherwise;
}
