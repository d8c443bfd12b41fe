ALTER TABLE `webhooks` ADD `kind` text DEFAULT 'standard' NOT NULL;--> statement-breakpoint
ALTER TABLE `webhooks` ADD `last_answer` text;--> statement-breakpoint
ALTER TABLE `webhooks` ADD `last_answer_at` integer;