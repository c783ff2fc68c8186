/** Values a template may be rendered with. */
export type TemplateValues = Readonly<Record<string, string | number | boolean | readonly TemplateItem[]>>;
export type TemplateItem =
  | string
  | number
  | Readonly<Record<string, string | number | boolean | readonly TemplateItem[]>>;
