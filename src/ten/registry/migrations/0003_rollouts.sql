CREATE TABLE `links` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`label` text NOT NULL,
	`hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `links_hash` ON `links` (`hash`);--> statement-breakpoint
CREATE TABLE `rollouts` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`service` text NOT NULL,
	`canary` text NOT NULL,
	`stable` text NOT NULL,
	`started_at` integer NOT NULL,
	`ended_at` integer,
	`outcome` text,
	`text` text NOT NULL,
	`state` text NOT NULL,
	`before` text NOT NULL,
	`instances` text NOT NULL,
	`stop_old` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `rollouts_service` ON `rollouts` (`service`,`seq`);