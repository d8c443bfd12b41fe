ALTER TABLE `servers` ADD `host` text DEFAULT 'auto' NOT NULL;--> statement-breakpoint
ALTER TABLE `servers` ADD `keeps_host` integer;--> statement-breakpoint
ALTER TABLE `servers` ADD `last_error_at` integer;